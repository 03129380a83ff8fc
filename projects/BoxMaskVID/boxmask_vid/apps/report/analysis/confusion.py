"""Confusion matrix of a detector."""

from __future__ import annotations

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import FramePairs, chunks, paired_iou
from .errors import FOREGROUND_IOU, Errors


def confusion_matrix(
    ground_truth: GroundTruth, detections: Detections, errors: Errors
) -> np.ndarray:
    """(C + 1, C + 1) int: rows are classes of boxes and "no object", columns classes found there.

    True positives first. Then, by falling score, each other detection takes the free box of its
    frame with the largest IoU, of at least 0.5, whatever its class. What remains of the boxes is
    missed (last column), what remains of the detections is on no object (last row). Detections that
    the matching ignores (crowds) do not count.
    """
    count = ground_truth.num_classes
    matches = errors.matches
    right = matches.true_positive
    wrong = matches.false_positive.astype(bool)
    free = matches.counted.copy()
    free[matches.taken[right]] = False
    found = np.where(right, matches.taken, -1)
    for row, box in _overlapping(ground_truth, detections, np.flatnonzero(wrong)):
        if found[row] < 0 and free[box]:
            found[row], free[box] = box, False
    given = right | wrong
    truth_classes = np.append(ground_truth.classes, count)[found[given]]
    matrix = np.zeros((count + 1, count + 1), dtype=np.int64)
    np.add.at(matrix, (truth_classes, detections.classes[given]), 1)
    np.add.at(matrix, (ground_truth.classes[free], count), 1)
    return matrix


def _overlapping(
    ground_truth: GroundTruth, detections: Detections, rows: np.ndarray
) -> list[tuple[int, int]]:
    """Pairs of these detections and boxes, by falling score of the detection, then falling IoU."""
    pairs = FramePairs(ground_truth.images, len(ground_truth.image_ids))
    found = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0)]
    for chunk in chunks(len(rows)):
        part = rows[chunk]
        for places, boxes in pairs.of(detections.images[part]):
            overlap = paired_iou(detections.boxes[part[places]], ground_truth.boxes[boxes])
            enough = overlap >= FOREGROUND_IOU
            found[0].append(np.column_stack([part[places], boxes])[enough])
            found[1].append(overlap[enough])
    both, ious = np.concatenate(found[0]), np.concatenate(found[1])
    order = np.lexsort((both[:, 1], -ious, both[:, 0], -detections.scores[both[:, 0]]))
    return both[order].tolist()
