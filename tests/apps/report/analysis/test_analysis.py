"""Operating point, confusion matrix, calibration, groups, videos, precision over recall."""

import numpy as np
import pytest

from boxmask_vid.apps.report.analysis.confidence import best_operating_point, calibration
from boxmask_vid.apps.report.analysis.delta_ap import box_groups
from boxmask_vid.apps.report.analysis.errors import (
    KINDS,
    confusion_matrix,
    errors_by_video,
    find_errors,
)
from boxmask_vid.evaluation.average_precision import (
    at_101_recalls,
    average_precisions,
    precision_at_recalls,
)
from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth
from boxmask_vid.evaluation.motion import motion_iou
from support.random_vid import random_vid
from support.small_videos import found, truth_of

BOX, FAR, CORNER = [100, 100, 100, 100], [300, 300, 50, 50], [0, 0, 50, 50]


def test_operating_point_is_where_f1_is_largest():
    truth = truth_of([(1, 1, 1, BOX), (2, 1, 1, BOX)], frames=2)
    rows = (1, 1, 0.9, BOX), (1, 1, 0.8, FAR), (2, 1, 0.7, BOX), (2, 1, 0.2, FAR)
    detections = found(truth, *rows)
    point = best_operating_point(detections, find_errors(truth, detections).matches)
    assert point == pytest.approx((0.7, 2 / 3, 1.0, 0.8))


def test_equal_scores_are_above_a_threshold_together():
    truth = truth_of([(1, 1, 1, BOX)], frames=2)
    detections = found(truth, (1, 1, 0.5, BOX), (2, 1, 0.5, FAR), (2, 2, 0.5, FAR))
    point = best_operating_point(detections, find_errors(truth, detections).matches)
    assert point == pytest.approx((0.5, 1 / 3, 1.0, 0.5))


def test_no_operating_point_when_nothing_is_right():
    truth = truth_of([(1, 1, 1, BOX)])
    for rows in ([], [(1, 1, 0.5, FAR)]):
        detections = found(truth, *rows)
        point = best_operating_point(detections, find_errors(truth, detections).matches)
        assert np.isnan(point.threshold)
        assert point.f1 == 0


def test_confusion_matrix_by_hand():
    boxes = [(1, 1, 1, BOX), (1, 2, 2, CORNER), (2, 1, 1, BOX), (2, 1, 3, FAR)]
    truth = truth_of(boxes, frames=2)
    detections = found(
        truth,
        (1, 1, 0.9, BOX),
        (1, 2, 0.95, BOX),  # of the wrong class, but the box belongs to the true positive
        (1, 1, 0.8, CORNER),
        (2, 2, 0.7, BOX),
        (2, 2, 0.6, [105, 100, 100, 100]),  # a second one
        (2, 2, 0.5, CORNER),
    )
    matrix = confusion_matrix(truth, detections, find_errors(truth, detections))
    assert matrix.tolist() == [[1, 1, 1], [1, 0, 0], [0, 3, 0]]


@pytest.mark.parametrize("seed", range(6))
def test_confusion_matrix_counts_all_boxes_and_detections(seed):
    content, results = random_vid(seed)
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    errors = find_errors(truth, detections)
    matrix = confusion_matrix(truth, detections, errors)
    classes = np.bincount(truth.classes, minlength=truth.num_classes)
    assert matrix[:-1].sum(axis=1).tolist() == classes.tolist()
    given = np.bincount(detections.classes, minlength=truth.num_classes)
    assert matrix[:, :-1].sum(axis=0).tolist() == given.tolist()
    assert np.trace(matrix) == errors.matches.true_positive.sum()


def test_calibration_by_hand():
    truth = truth_of([(1, 1, 1, BOX), (2, 1, 1, BOX)], frames=2)
    rows = (1, 1, 0.9, BOX), (2, 1, 0.96, BOX), (1, 1, 0.34, FAR), (1, 1, 0.01, FAR)
    detections = found(truth, *rows, (2, 1, 1.0, CORNER))
    result = calibration(detections, find_errors(truth, detections).matches)
    assert result.counts.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    assert result.scores[[3, 9]] == pytest.approx([0.34, 2.86 / 3])
    assert result.precisions[[3, 9]] == pytest.approx([0, 2 / 3])
    assert np.isnan(result.precisions[0])
    assert result.error == pytest.approx((0.34 + 2.86 - 2) / 4)
    nothing = found(truth)
    assert np.isnan(calibration(nothing, find_errors(truth, nothing).matches).error)


def test_groups_are_left_out_where_the_file_does_not_say():
    boxes = [(1, 1, 1, BOX), (2, 1, 1, BOX), (1, 2, 2, [0, 0, 20, 20])]
    truth = truth_of(boxes, frames=2, occluded=1)
    groups = box_groups(truth, motion_iou(truth))
    assert groups["motion"]["slow"].all()
    assert not groups["motion"]["fast"].any()
    assert groups["size"]["large"].tolist() == [True, False, True]  # 10,000 pixels, by image
    assert groups["size"]["small"].tolist() == [False, True, False]
    assert groups["occlusion"]["occluded"].all()
    assert not groups["occlusion"]["not occluded"].any()
    bare = truth_of([(1, 1, -1, BOX)])
    assert list(box_groups(bare, motion_iou(bare))) == ["size"]


def test_videos_by_hand():
    boxes = [(1, 1, 1, BOX), (2, 1, 1, BOX), (3, 1, 1, BOX)]
    truth = truth_of(boxes, frames=2, videos=3)
    detections = found(
        truth, (1, 1, 0.9, BOX), (2, 1, 0.9, BOX), (2, 1, 0.8, FAR), (4, 2, 0.5, FAR)
    )
    result = errors_by_video(truth, detections, find_errors(truth, detections))
    assert result.right.tolist() == [2, 0, 0]
    assert result.boxes.tolist() == [2, 1, 0]
    assert result.image_errors.tolist() == [0, 1, 1, 1, 0, 0]
    named = [dict(zip(KINDS, row, strict=True)) for row in result.kinds.tolist()]
    assert (named[0]["background"], named[0]["missed"]) == (1, 0)
    assert (named[1]["background"], named[1]["missed"]) == (1, 1)
    assert result.f1 == pytest.approx([2 * 2 / 5, 0, np.nan], nan_ok=True)


@pytest.mark.parametrize("seed", range(4))
def test_curves_average_to_the_scorers_ap(seed):
    content, results = random_vid(seed)
    truth = GroundTruth.from_coco(content)
    detections = Detections.from_coco(results, truth)
    matches = find_errors(truth, detections).matches
    curves = precision_at_recalls(matches, detections, truth)
    expected = average_precisions(matches, detections, truth, at_101_recalls)
    assert curves.mean(axis=1) == pytest.approx(expected, nan_ok=True)
    assert (np.diff(curves[~np.isnan(expected)], axis=1) <= 0).all()
