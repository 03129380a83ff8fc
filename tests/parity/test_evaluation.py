"""COCO AP against the reference implementation."""

import json

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, Instances

from boxmask_vid.data import register_vid_instances
from boxmask_vid.evaluation import VIDEvaluator
from support.golden import load_json


def test_evaluation(tmp_path):
    golden = load_json("eval_golden")
    detections = {image["id"]: [] for image in golden["gt"]["images"]}
    for image_id, *row in (row for rows in golden["dets"] for row in rows):
        detections[image_id].append(row)
    name, path = "parity_eval_golden", tmp_path / "gt.json"
    path.write_text(json.dumps(golden["gt"]))
    register_vid_instances(name, {}, str(path), "")
    try:
        evaluator = VIDEvaluator(name)
        evaluator.reset()
        for record in DatasetCatalog.get(name):
            rows = torch.tensor(detections[record["image_id"]]).view(-1, 6)
            found = Instances(
                (record["height"], record["width"]),
                pred_boxes=Boxes(rows[:, 1:5]),
                scores=rows[:, 5],
                pred_classes=rows[:, 0].long(),
            )
            evaluator.process([record], [{"instances": found}])
        results = evaluator.evaluate()["bbox"]
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    ours = [results[key] / 100 for key in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
    ours = [f"{-1 if np.isnan(value) else value:.4f}" for value in ours]
    assert golden["result"].pop("bbox_mAP_copypaste").split() == ours
    assert [f"{value:.4f}" for value in golden["result"].values()] == ours
