import json

import numpy as np
import pytest

from boxmask_vid.evaluation.average_precision import (
    all_points,
    at_101_recalls,
    average_precisions,
    mean_over_classes,
)
from boxmask_vid.evaluation.coco import AREA_RANGES, CocoMatching
from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth
from boxmask_vid.evaluation.motion import MOTION_RANGES, motion_iou
from boxmask_vid.evaluation.motion_scorers import match_ilsvrc, match_mega
from boxmask_vid.evaluation.scores import score
from support.plain_scorers import plain_ilsvrc, plain_mega, plain_motion, pycocotools_precision
from support.random_vid import random_vid

MATCHERS = {"ilsvrc": match_ilsvrc, "mega": match_mega}
PLAIN = {"ilsvrc": plain_ilsvrc, "mega": plain_mega}


def read(content: dict, results: list[dict]) -> tuple[GroundTruth, Detections]:
    truth = GroundTruth.from_coco(content)
    return truth, Detections.from_coco(results, truth)


@pytest.mark.needs_shared
@pytest.mark.parametrize("case", [1, 2, 3, 4])
def test_golden_cases(shared, case):
    folder = shared / f"parity/evaluation/case_{case}"
    content, results, expected = (
        json.loads((folder / f"{name}.json").read_text())
        for name in ("gt", "detections", "expected")
    )
    truth, detections = read(content, results)
    motion = motion_iou(truth)
    wanted = [expected["motion_iou"][str(number)] for number in truth.ids]
    np.testing.assert_allclose(motion, wanted, rtol=0, atol=1e-9)
    for name, match in MATCHERS.items():
        for motion_range, matches in match(truth, detections, motion):
            of_range = expected[name][motion_range]
            values = average_precisions(matches, detections, truth, all_points)
            per_class = np.array(of_range["per_class"], dtype=float)
            np.testing.assert_allclose(values, per_class, rtol=0, atol=1e-9)
            assert mean_over_classes(values) == pytest.approx(of_range["AP50"], abs=1e-9)
    at = [
        mean_over_classes(average_precisions(matches, detections, truth, at_101_recalls))
        for matches in CocoMatching(truth, detections).motion(motion, "all")
    ]
    wanted = [expected["coco"][name] for name in ("AP", "AP50", "AP75")]
    np.testing.assert_allclose([np.mean(at), at[0], at[5]], wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_motion_iou_is_that_of_the_plain_form(seed):
    content, _ = random_vid(seed)
    truth = GroundTruth.from_coco(content)
    plain = dict(zip((a["id"] for a in content["annotations"]), plain_motion(content), strict=True))
    np.testing.assert_allclose(motion_iou(truth), [plain[i] for i in truth.ids], atol=1e-12)


@pytest.mark.parametrize("name", MATCHERS)
@pytest.mark.parametrize("seed", range(30))
def test_motion_scorers_are_those_of_the_plain_form(name, seed):
    content, results = random_vid(seed)
    results.sort(key=lambda result: result["image_id"])
    truth, detections = read(content, results)
    for motion_range, matches in MATCHERS[name](truth, detections, motion_iou(truth)):
        plain = PLAIN[name](content, results, *MOTION_RANGES[motion_range])
        values = average_precisions(matches, detections, truth, all_points)
        wanted = np.array([plain[category] for category in truth.category_ids], dtype=float)
        np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-9, err_msg=motion_range)


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_coco_is_pycocotools(seed, crowds):
    content, results = random_vid(seed, crowds=crowds)
    truth, detections = read(content, results)
    precision = pycocotools_precision(content, results)
    precision = np.where(precision < 0, np.nan, precision).mean(axis=1)  # IoUs, classes, areas
    matching = CocoMatching(truth, detections)
    parts = [matching.motion(motion_iou(truth), "all"), *map(matching.area, AREA_RANGES)]
    for area, part in enumerate(parts):
        for threshold, matches in enumerate(part):
            values = average_precisions(matches, detections, truth, at_101_recalls)
            wanted = precision[threshold, :, area]
            np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-6)


def test_coco_counts_100_detections_of_a_class_in_a_frame():
    content, _ = random_vid(2, videos=1)
    image = content["annotations"][0]["image_id"]
    rng = np.random.default_rng(0)
    results = [
        {
            "image_id": image,
            "category_id": int(rng.choice([2, 5], p=[0.1, 0.9])),
            "bbox": [float(v) for v in rng.uniform(5, 50, 4)],
            "score": float(rng.random()),
        }
        for _ in range(250)
    ]
    for annotation in content["annotations"]:
        results.append({**annotation, "score": float(rng.uniform(0, 0.5))})
    truth, detections = read(content, results)
    precision = pycocotools_precision(content, results)[0, :, :, 0].mean(axis=0)
    matches = next(CocoMatching(truth, detections).motion(motion_iou(truth), "all"))
    values = average_precisions(matches, detections, truth, at_101_recalls)
    np.testing.assert_allclose(values[:2], precision[:2], rtol=0, atol=1e-6)
    limited = (matches.taken < 0) & ~matches.false_positive
    assert limited.sum() > 50


@pytest.mark.parametrize("name", MATCHERS)
def test_crowds_are_neither_found_nor_missed(name):
    content, results = random_vid(5)
    truth, detections = read(content, results)
    wanted = {
        motion_range: average_precisions(matches, detections, truth, all_points)
        for motion_range, matches in MATCHERS[name](truth, detections, motion_iou(truth))
    }
    image = content["annotations"][-1]["image_id"]
    crowd = {
        "id": 999,
        "image_id": image,
        "category_id": 9,
        "instance_id": 50,
        "bbox": [100, 70, 19, 19],
        "iscrowd": 1,
    }
    content["annotations"].append(crowd)
    inside = {"image_id": image, "category_id": 9, "bbox": [102, 72, 4, 5]}
    results += [{**inside, "score": score} for score in (0.99, 0.98)]
    truth, detections = read(content, results)
    for motion_range, matches in MATCHERS[name](truth, detections, motion_iou(truth)):
        values = average_precisions(matches, detections, truth, all_points)
        np.testing.assert_array_equal(values, wanted[motion_range])
        best = detections.class_slice(2).start
        assert (matches.taken[best : best + 2] == -1).all()
        assert (matches.false_positive[best : best + 2] == 0).all()


@pytest.mark.parametrize("name", MATCHERS)
def test_no_detections_score_0_and_classes_without_boxes_nan(name):
    content, _ = random_vid(5)
    truth, detections = read(content, [])
    matches = dict(MATCHERS[name](truth, detections, motion_iou(truth)))["all"]
    values = average_precisions(matches, detections, truth, all_points)
    np.testing.assert_array_equal(values, [0, 0, np.nan])
    matches = next(CocoMatching(truth, detections).motion(motion_iou(truth), "all"))
    values = average_precisions(matches, detections, truth, at_101_recalls)
    np.testing.assert_array_equal(values, [0, 0, np.nan])


def test_no_ground_truth_at_all_is_nan():
    content, results = random_vid(5)
    content["annotations"].clear()
    truth, detections = read(content, results)
    for match in MATCHERS.values():
        for _, matches in match(truth, detections, motion_iou(truth)):
            values = average_precisions(matches, detections, truth, all_points)
            assert np.isnan(mean_over_classes(values))
    for matches in CocoMatching(truth, detections).motion(motion_iou(truth), "slow"):
        assert np.isnan(average_precisions(matches, detections, truth, at_101_recalls)).all()


@pytest.mark.parametrize("change", ["removed", "unique"])
def test_boxes_without_tracks_say_why_all_is_slow(caplog, change):
    content, results = random_vid(6)
    for number, annotation in enumerate(content["annotations"]):
        if change == "removed":
            del annotation["instance_id"]
        else:
            annotation["instance_id"] = number  # a track of its own for each box
    truth = GroundTruth.from_coco(content)
    score(truth, Detections.from_coco(results, truth), draws=0)
    assert "how fast they move is unknown, and they count as slow" in caplog.text


def test_ground_truth_of_crowds_alone_says_why_nothing_is_defined(caplog):
    content, results = random_vid(6)
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1
    truth = GroundTruth.from_coco(content)
    scores = score(truth, Detections.from_coco(results, truth), draws=0)
    assert all(np.isnan(values).all() for values in scores.per_class.values())
    assert "boxes of the ground truth are crowds" in caplog.text


def test_boxes_with_tracks_are_quiet(caplog):
    content, results = random_vid(6)
    truth = GroundTruth.from_coco(content)
    caplog.clear()
    score(truth, Detections.from_coco(results, truth), draws=0)
    assert not caplog.messages
