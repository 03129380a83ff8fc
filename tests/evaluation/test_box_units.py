"""Detections whose boxes are corners, centres or shares, or lie outside their images."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.errors import InputError
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


# file of detections: what is wrong with it
REFUSED = {
    "one_line_each.jsonl": "detections are a JSON list of COCO results",
    "image_id_names.json": "detection 0 has image_id 'frame_000000': it must be a whole number",
    "image_id_floats.json": "detection 0 has image_id 0.0: it must be a whole number",
    "image_id_digits.json": "detection 0 has image_id '0': it must be a whole number",
    "nan_score.json": "detection 0 has score nan, which must be a finite number",
    "score_strings.json": "detection 0 has score '0.9': it must be a number",
    "category_from_0.json": "category_id 0, which is not in the ground truth",
}
# ground truth: AP50 of boxes that fit, and a word on it; None where the classes are others
TRUTHS = {
    "gt_all_crowds": (np.nan, "All 12 boxes of the ground truth are crowds"),
    "gt_classes_from_0_with_gap": (None, "category_id 1, which is not in the ground truth"),
    "gt_no_tracks": (1, "12 have no instance_id"),
    "gt_other_empty": (1, ""),
    "gt_two_classes": (1, ""),
    "gt_two_classes_listed_backwards": (1, ""),
    "gt_two_classes_swapped": (0, ""),  # ids are what counts
}


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", REFUSED)
def test_detections_that_cannot_be_read(name):
    truth = GroundTruth.read(str(CASES / "gt.json"))
    with pytest.raises(InputError, match=re.escape(REFUSED[name])):
        read_detections(CASES / name, truth)


@pytest.mark.needs_shared
def test_no_detections_find_nothing():
    truth = GroundTruth.read(str(CASES / "gt.json"))
    assert average_of(truth, read_detections(CASES / "empty.json", truth)) == 0


@pytest.mark.needs_shared
@pytest.mark.parametrize("name", TRUTHS)
def test_ground_truth_as_people_have_it(caplog, name):
    average, words = TRUTHS[name]
    truth = GroundTruth.read(str(CASES / f"{name}.json"))
    if average is None:
        with pytest.raises(InputError, match=words):
            read_detections(CASES / "perfect.json", truth)
        return
    with caplog.at_level(logging.WARNING):
        found = average_of(truth, read_detections(CASES / "perfect.json", truth))
    np.testing.assert_equal(found, average)
    assert words in caplog.text


@pytest.mark.needs_shared
def test_each_file_is_in_a_table():
    others = {"gt", "empty", "perfect", "false_alarms_first", "corners", "shares"}
    names = {path.stem for path in CASES.iterdir() if path.is_file()}
    assert names == others | TRUTHS.keys() | {Path(name).stem for name in REFUSED}


def average_of(truth: GroundTruth, detections: Detections) -> float:
    """AP50 of all objects, by whatever they are sorted."""
    scores = score(truth, detections, draws=0)
    found = [scores.mean(m) for m in scores.per_class if m.name == "AP50" and m.motion == "all"]
    assert np.unique(found).size == 1  # also of NaN
    return found[0]


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
