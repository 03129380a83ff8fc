"""Detections whose boxes are corners, centres or shares, or lie outside their images."""

import json
import logging

import numpy as np
import pytest

from boxmask_vid.evaluation import GroundTruth, read_detections, score
from boxmask_vid.evaluation.box_units import unit_warnings
from boxmask_vid.evaluation.detections import Detections
from support.paths import SHARED
from support.vid_content import healthy

CASES = SHARED / "cases/json/30_evaluation"


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("name", "average", "words"),
    [
        ("perfect", 1, ""),
        ("false_alarms_first", 1, ""),
        ("corners", 0, "seem to be corners x1, y1, x2, y2: read so, 12 of 12"),
        ("shares", 0, "12 of 12 boxes are below a pixel"),
    ],
)
def test_detections_as_people_have_them(caplog, name, average, words):
    truth = GroundTruth.read(str(CASES / "gt.json"))
    with caplog.at_level(logging.WARNING):
        detections = read_detections(CASES / f"{name}.json", truth)
    assert words in caplog.text
    assert bool(words) == bool(caplog.text)
    scores = score(truth, detections, draws=0)
    assert {scores.mean(m) for m in scores.per_class if m.name == "AP50" and m.motion == "all"} == {
        average
    }


def warnings_of(boxes: np.ndarray, truth: GroundTruth) -> str:
    boxes = np.asarray(boxes, dtype=np.float64)
    results = [
        {"image_id": image + 1, "category_id": 1, "bbox": box.tolist(), "score": 0.5}
        for image, box in enumerate(boxes)
    ]
    return " ".join(unit_warnings(Detections.from_coco(results, truth), truth))


@pytest.fixture
def truth() -> GroundTruth:
    return GroundTruth.from_coco(healthy())


def test_right_and_merely_bad_boxes_give_no_warning(truth):
    boxes = truth.boxes
    assert warnings_of(boxes, truth) == ""
    assert warnings_of(boxes + [30, 20, 0, 0], truth) == ""
    assert " ".join(unit_warnings(Detections.from_coco([], truth), truth)) == ""


def test_every_kind_is_named(truth):
    boxes = truth.boxes
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    assert "corners" in warnings_of(corners, truth)
    centres = np.hstack([boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]])
    assert "centre" in warnings_of(centres, truth)
    assert "shares of the image" in warnings_of(boxes / [64, 48, 64, 48], truth)
    beyond = warnings_of(boxes * 5, truth)
    assert beyond.startswith("6 of 6 boxes reach beyond their images")
    assert warnings_of(boxes * [1, 1, 0.05, 1], truth).startswith("6 of 6 boxes are below a pixel")


def test_a_pixel_over_the_edge_is_no_matter(truth):
    assert warnings_of([[55, 30, 10, 19]] * 6, truth) == ""


def test_the_tool_says_it(tmp_path, caplog, truth):
    path = tmp_path / "detections.json"
    result = {"image_id": 1, "category_id": 1, "bbox": [50, 40, 60, 48], "score": 1}
    path.write_text(json.dumps([result]))
    with caplog.at_level(logging.WARNING):
        read_detections(path, truth)
    assert f"{path}: 1 of 1 boxes reach beyond" in caplog.text
