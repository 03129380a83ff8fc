import json

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.evaluation import COCOEvaluator, print_csv_format, verify_results
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.structures import Boxes, Instances

from boxmask_vid.data import register_vid_instances
from boxmask_vid.engine import Trainer
from boxmask_vid.evaluation import VIDEvaluator
from support.plain_scorers import pycocotools_precision
from support.random_vid import random_vid
from support.small import small_cfg


def perfect(record: dict, **changes: object) -> Instances:
    """Detections that are the ground truth of a frame."""
    boxes = torch.tensor([a["bbox"] for a in record["annotations"]]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    fields = {
        "pred_boxes": Boxes(boxes),
        "scores": torch.full((len(boxes),), 0.9),
        "pred_classes": torch.tensor([a["category_id"] for a in record["annotations"]]).long(),
    }
    return Instances((record["height"], record["width"]), **{**fields, **changes})


def score(name: str, detections: list[Instances], records: list[dict], output=None) -> dict:
    evaluator = VIDEvaluator(name, None if output is None else str(output))
    evaluator.reset()
    for record, found in zip(records, detections, strict=True):
        evaluator.process([record], [{"instances": found}])
    return evaluator.evaluate()


def test_perfect_detections_score_100_and_results_are_saved(synthetic_datasets, tmp_path):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    results = score(name, [perfect(record) for record in records], records, tmp_path)["bbox"]
    assert results["AP"] == results["AP50"] == results["AP75"] == pytest.approx(100)
    present = {a["category_id"] for r in records for a in r["annotations"]}
    for label, class_name in enumerate(MetadataCatalog.get(name).thing_classes):
        expected = 100 if label in present else float("nan")
        assert results[f"AP50-{class_name}"] == pytest.approx(expected, nan_ok=True)
        assert results[f"AP-{class_name}"] == pytest.approx(expected, nan_ok=True)
    saved = json.loads((tmp_path / "coco_instances_results.json").read_text())
    assert len(saved) == sum(len(r["annotations"]) for r in records)


@pytest.mark.parametrize("first_id", [0, 5])
def test_ids_from_zero_repeated_ids_and_no_areas_do_not_change_the_score(tmp_path, first_id):
    frames = [
        {"id": i, "video_id": 1, "frame_id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48}
        for i in range(3)
    ]
    content = {
        "categories": [{"id": 1, "name": "cat"}],
        "videos": [{"id": 1, "name": "v"}],
        "images": frames,
        "annotations": [
            {"id": first_id * (i != 2), "image_id": i, "category_id": 1, "bbox": [4, 5, 20, 10]}
            for i in range(3)
        ],
    }
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    name = f"own_ids_{first_id}"
    register_vid_instances(name, {}, str(path), str(tmp_path))
    records = DatasetCatalog.get(name)
    results = score(name, [perfect(record) for record in records], records)
    assert results["bbox"]["AP"] == pytest.approx(100)


def test_class_numbers_are_per_class(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    labels = [a["category_id"] for r in records for a in r["annotations"]]
    missed = max(set(labels), key=labels.count)
    detections = []
    for record in records:
        found = perfect(record)
        detections.append(found[found.pred_classes != missed])
    results = score(name, detections, records)["bbox"]
    names = MetadataCatalog.get(name).thing_classes
    assert results[f"AP50-{names[missed]}"] == 0
    others = [results[f"AP50-{names[label]}"] for label in set(labels) - {missed}]
    assert others == [pytest.approx(100)] * len(others)
    assert results["AP50"] == pytest.approx(np.mean([0, *others]))


@pytest.mark.parametrize("draws", [0, 10])
def test_names_of_metrics_are_known_before_an_evaluation(synthetic_datasets, draws):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    evaluator = VIDEvaluator(name, scorers=("coco", "mega"), draws=draws)
    evaluator.process(records, [{"instances": perfect(record)} for record in records])
    assert evaluator.metric_names() == list(flatten_results_dict(evaluator.evaluate()))


def test_csv_and_verification_work(synthetic_datasets, caplog):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    results = score(name, [perfect(record) for record in records], records)
    print_csv_format(results)
    assert verify_results(
        small_cfg("selsa", "TEST.EXPECTED_RESULTS", "[['bbox', 'AP50', 100, 0.1]]"), results
    )
    with pytest.raises(SystemExit):
        verify_results(
            small_cfg("selsa", "TEST.EXPECTED_RESULTS", "[['bbox', 'AP50', 90, 1]]"), results
        )


def test_only_frames_that_were_read_count(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)[:3]
    results = score(name, [perfect(record) for record in records], records)["bbox"]
    assert results["AP50"] == pytest.approx(100)


def test_predicted_masks_are_not_scored(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)[:2]
    detections = [perfect(record) for record in records]
    for found in detections:
        found.pred_masks = torch.zeros(len(found), 192, 256, dtype=torch.bool)
    assert "segm" not in score(name, detections, records)


def test_crowds_are_ignored(tmp_path):
    image = {"id": 1, "video_id": 1, "frame_id": 0, "file_name": "x", "width": 90, "height": 90}
    crowd = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [5, 5, 60, 60],
        "area": 3600,
        "iscrowd": 1,
    }
    single = {**crowd, "id": 2, "bbox": [70, 70, 15, 15], "area": 225, "iscrowd": 0}
    content = {
        "categories": [{"id": 1, "name": "dog"}],
        "videos": [{"id": 1, "name": "v"}],
        "images": [image],
        "annotations": [crowd, single],
    }
    path = tmp_path / "crowd.json"
    path.write_text(json.dumps(content))
    register_vid_instances("with_crowd", {}, str(path), "")
    records = DatasetCatalog.get("with_crowd")
    # two boxes inside the crowd with high scores are neither right nor wrong
    boxes = torch.tensor([[10.0, 10, 30, 30], [30, 30, 60, 60], [70, 70, 85, 85]])
    found = Instances(
        (90, 90),
        pred_boxes=Boxes(boxes),
        scores=torch.tensor([0.9, 0.8, 0.7]),
        pred_classes=torch.zeros(3, dtype=torch.long),
    )
    assert score("with_crowd", [found], records)["bbox"]["AP50"] == pytest.approx(100)


def test_keys_are_those_of_the_documentation(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    results = score(name, [perfect(record) for record in records], records)
    classes = MetadataCatalog.get(name).thing_classes
    assert list(results) == ["bbox", "ilsvrc", "mega"]
    ranges = ["", "_slow", "_medium", "_fast"]
    for task, metrics in (
        ("bbox", ["AP", "AP50", "AP75"]),
        ("ilsvrc", ["AP50"]),
        ("mega", ["AP50"]),
    ):
        keys = [metric + motion for motion in ranges for metric in metrics]
        drawn = [f"AP50{motion}" for motion in ranges] + (["AP", "AP75"] if task == "bbox" else [])
        ends = [f"{key}_{end}" for key in drawn for end in ("low", "high")]
        areas = ["APs", "APm", "APl"] if task == "bbox" else []
        of_class = [f"{key}-{label}" for key in (*keys, *areas) for label in classes]
        assert sorted(results[task]) == sorted([*keys, *ends, *areas, *of_class])
        assert all(type(value) is float for value in results[task].values())
    assert list(results["bbox"])[:6] == ["AP", "AP50", "AP75", "APs", "APm", "APl"]
    assert results["ilsvrc"]["AP50"] == results["mega"]["AP50"] == pytest.approx(100)
    assert verify_results(
        small_cfg("selsa", "TEST.EXPECTED_RESULTS", "[['mega', 'AP50', 100, 0.1]]"), results
    )


def test_motion_is_that_of_whole_tracks_when_some_frames_are_read(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    every = score(name, [perfect(record) for record in records], records)["ilsvrc"]
    one_frame = records[:1]
    results = score(name, [perfect(record) for record in one_frame], one_frame)["ilsvrc"]
    fast = [key for key in ("AP50_medium", "AP50_fast") if not np.isnan(every[key])]
    assert any(not np.isnan(results[key]) for key in fast)


def test_no_detections_score_0(synthetic_datasets):
    name = synthetic_datasets[1]
    records = DatasetCatalog.get(name)
    results = score(name, [perfect(record)[:0] for record in records], records)
    assert results["bbox"]["AP50"] == results["ilsvrc"]["AP50"] == results["mega"]["AP50"] == 0


def test_no_frames_no_results(synthetic_datasets, caplog):
    assert score(synthetic_datasets[1], [], []) == {}
    assert "No frame was read" in caplog.text


def test_still_images_are_scored_by_detectron2(synthetic_datasets, tmp_path):
    metadata = MetadataCatalog.get(synthetic_datasets[1])
    name = "stills_of_videos"
    register_coco_instances(name, {}, metadata.json_file, metadata.image_root)
    cfg = small_cfg("selsa", "OUTPUT_DIR", tmp_path)
    assert type(Trainer.build_evaluator(cfg, name)) is COCOEvaluator
    assert type(Trainer.build_evaluator(cfg, synthetic_datasets[1])) is VIDEvaluator


def test_many_classes_are_in_the_order_of_their_ids(tmp_path):
    """pycocotools's AP50 of each class, of a data set whose ids have gaps."""
    content, results = random_vid(11, crowds=True, videos=6)
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    register_vid_instances("with_gaps", {}, str(path), "")
    records = DatasetCatalog.get("with_gaps")
    numbers = MetadataCatalog.get("with_gaps").thing_dataset_id_to_contiguous_id
    evaluator = VIDEvaluator("with_gaps", draws=0)
    evaluator.reset()
    for record in records:
        mine = [result for result in results if result["image_id"] == record["image_id"]]
        boxes = torch.tensor([result["bbox"] for result in mine]).reshape(-1, 4).float()
        boxes[:, 2:] += boxes[:, :2]
        found = Instances(
            (record["height"], record["width"]),
            pred_boxes=Boxes(boxes),
            scores=torch.tensor([result["score"] for result in mine]),
            pred_classes=torch.tensor([numbers[result["category_id"]] for result in mine]).long(),
        )
        evaluator.process([record], [{"instances": found}])
    values = evaluator.evaluate()["bbox"]
    precision = pycocotools_precision(content, results)
    for label, category in enumerate(content["categories"]):
        of_class = precision[0, :, label, 0]
        wanted = np.nan if (of_class < 0).all() else 100 * of_class.mean()
        assert values[f"AP50-{category['name']}"] == pytest.approx(wanted, abs=1e-4, nan_ok=True)
