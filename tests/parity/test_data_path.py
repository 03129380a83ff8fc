"""Inputs of the network from annotated files, against the reference's training pipeline."""

import json

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.modeling import build_model

from boxmask_vid.data import VIDDatasetMapper, register_vid_instances
from boxmask_vid.data.datasets.imagenet_vid_categories import CLASS_NAMES
from boxmask_vid.engine import build_cfg
from support.golden import GOLDEN
from support.paths import REPOSITORY

KEY_FRAME = 3


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "train_pipeline.npz"))


@pytest.fixture(scope="module")
def video(shared) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "parity/e2e/video.npz"))


@pytest.fixture(scope="module")
def cfg(golden, video, tmp_path_factory):
    """The recorded video as files, and a config that trains on it."""
    folder = tmp_path_factory.mktemp("recorded")
    height, width = (int(side) for side in video["ori_shape"][:2])
    images = []
    for index, frame in enumerate(video["frames_rgb"]):
        image = {"id": index + 1, "video_id": 1, "frame_id": index, "file_name": f"{index}.png"}
        images.append({**image, "height": height, "width": width})
        cv2.imwrite(str(folder / f"{index}.png"), frame[:, :, ::-1])
    annotations = []
    for label, box in zip(golden["ori_labels"], golden["ori_bboxes"].astype(float), strict=True):
        x1, y1, x2, y2 = box.tolist()
        one = {"id": len(annotations) + 1, "image_id": KEY_FRAME + 1, "category_id": int(label) + 1}
        annotations.append({**one, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASS_NAMES, start=1)]
    content = {"categories": categories, "videos": [{"id": 1, "name": "recorded"}]}
    content |= {"images": images, "annotations": annotations}
    (folder / "recorded.json").write_text(json.dumps(content))
    register_vid_instances("recorded_vid", {}, str(folder / "recorded.json"), str(folder))
    config = REPOSITORY / "tests/data/parity/boxmask_tiny.yaml"
    return build_cfg(str(config), ["DATASETS.TRAIN", "('recorded_vid',)"])


@pytest.mark.needs_shared
def test_training_samples_upright_and_flipped(cfg, golden, video):
    mapper, model = VIDDatasetMapper(cfg, True), build_model(cfg)
    record = DatasetCatalog.get("recorded_vid")[KEY_FRAME]
    resized = torch.from_numpy(video["resized_bgr"][..., ::-1].copy()).permute(0, 3, 1, 2)
    seen = set()
    for seed in range(12):
        sample = mapper({**record, "sample_seed": seed})
        flip = int(not torch.equal(sample["image"], resized[KEY_FRAME]))
        seen.add(flip)
        case = {key.split("/")[1]: golden[key] for key in golden if key.startswith(f"flip{flip}/")}
        frames = resized.flip(3) if flip else resized
        assert torch.equal(sample["image"], frames[KEY_FRAME])
        instances = sample["instances"]
        assert instances.gt_classes.tolist() == case["gt_labels"].tolist()
        boxes = torch.from_numpy(case["gt_bboxes"])
        torch.testing.assert_close(instances.gt_boxes.tensor, boxes, rtol=0, atol=1e-4)
        masks = torch.from_numpy(case["gt_masks"]).bool()
        assert torch.equal(instances.gt_masks.rasterize().bool(), masks)
        entering = model.preprocess_image([sample]).tensor[0]
        assert entering.shape[1:] == masks.shape[1:]
        row = torch.from_numpy(case["img_row0"])
        torch.testing.assert_close(entering[:, 0], row, rtol=0, atol=1e-6)
        before, after = sample["reference_images"]
        assert any(torch.equal(before, frame) for frame in frames[:KEY_FRAME])
        assert any(torch.equal(after, frame) for frame in frames[KEY_FRAME + 1 :])
    assert seen == {0, 1}
