"""Kinds of errors (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors",
ECCV 2020, section 2.2), at IoU 0.5, by class and by video. D detections, A boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....evaluation.coco import CocoMatching
from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import Matches, frame_pairs, paired_iou

FOREGROUND_IOU = 0.5  # lowest that finds a box
BACKGROUND_IOU = 0.1  # up to this, a detection is on the background
KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(KINDS))
NO_ERROR = -1


@dataclass(frozen=True)
class Errors:
    """Errors of D detections, and missed ones of A boxes."""

    kinds: np.ndarray  # (D,) int8, position in `KINDS`; NO_ERROR where right or ignored
    boxes: np.ndarray  # (D,) box that the detection finds or its error is about; -1 for none
    missed: np.ndarray  # (A,) bool: not found, and no error of class or location is about it
    matches: Matches  # at IoU 0.5, with COCO's rules


def find_errors(ground_truth: GroundTruth, detections: Detections) -> Errors:
    """Classify the detections that are not true positives.

    In this order: *localisation*, IoU from 0.1 to 0.5 with a box of the class; *classification*, at
    least 0.5 with a box of another class; *duplicate*, at least 0.5 with a box of the class that
    was found already; *background*, up to 0.1 with all boxes; *both*, what remains: from 0.1 to 0.5
    with a box of another class.
    """
    every = np.ones(len(ground_truth))
    matching = CocoMatching(ground_truth, detections)
    (matches,) = matching.motion(every, "all", [FOREGROUND_IOU])
    same, same_box, other, other_box = _best_overlaps(ground_truth, detections)
    wrong = matches.false_positive.astype(bool)
    tests = {
        LOCALISATION: (same >= BACKGROUND_IOU) & (same < FOREGROUND_IOU),
        CLASSIFICATION: other >= FOREGROUND_IOU,
        DUPLICATE: same >= FOREGROUND_IOU,
        BACKGROUND: np.maximum(same, other) <= BACKGROUND_IOU,
    }
    kinds = np.select([~wrong, *tests.values()], [NO_ERROR, *tests], default=BOTH).astype(np.int8)
    about = np.select(
        [np.isin(kinds, (LOCALISATION, DUPLICATE)), np.isin(kinds, (CLASSIFICATION, BOTH))],
        [same_box, other_box],
        default=matches.taken,
    )
    excused = np.zeros(len(ground_truth), dtype=bool)
    excused[about[(kinds == NO_ERROR) & (about >= 0)]] = True
    excused[about[np.isin(kinds, (CLASSIFICATION, LOCALISATION))]] = True
    return Errors(kinds, about, matches.counted & ~excused, matches)


def _best_overlaps(ground_truth: GroundTruth, detections: Detections) -> tuple[np.ndarray, ...]:
    """(D,) columns: best IoU with a box of the class, that box; with another box, that box.

    Crowds are left out. 0 and -1 where there is no box.
    """
    ious, boxes = np.zeros((2, len(detections))), np.full((2, len(detections)), -1)
    single = np.flatnonzero(~ground_truth.is_crowd)
    for _, pairs in frame_pairs(ground_truth, detections, single):
        for rows, truths in pairs:
            overlap = paired_iou(detections.boxes[rows], ground_truth.boxes[truths])
            side = (detections.classes[rows] != ground_truth.classes[truths]).astype(int)
            better = overlap > ious[side, rows]
            place = side[better], rows[better]
            ious[place], boxes[place] = overlap[better], truths[better]
    return ious[0], boxes[0], ious[1], boxes[1]


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
    given = detections[rows]
    found = [(np.zeros((0, 2), dtype=np.int64), np.zeros(0))]
    for _, pairs in frame_pairs(ground_truth, given):
        for places, boxes in pairs:
            overlap = paired_iou(given.boxes[places], ground_truth.boxes[boxes])
            enough = overlap >= FOREGROUND_IOU
            found.append((np.column_stack([rows[places], boxes])[enough], overlap[enough]))
    both, ious = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((both[:, 1], -ious, both[:, 0], -detections.scores[both[:, 0]]))
    return both[order].tolist()


@dataclass(frozen=True)
class VideoErrors:
    """Counts for each of V videos."""

    right: np.ndarray  # (V,) true positives
    boxes: np.ndarray  # (V,) to be found
    kinds: np.ndarray  # (V, 6) errors in the order of `KINDS`
    image_errors: np.ndarray  # (I,) boxes not found and wrong detections in each image

    @property
    def f1(self) -> np.ndarray:
        """(V,) NaN for videos without boxes and detections."""
        wrong = self.kinds.sum(axis=1) - self.kinds[:, MISSED]
        total = self.boxes + self.right + wrong
        empty = np.full(len(total), np.nan)
        return np.divide(2.0 * self.right, total, out=empty, where=total > 0)

    def worst(self, count: int) -> list[int]:
        """Up to ``count`` videos with the lowest F1, the lowest first."""
        order = np.argsort(self.f1, kind="stable")
        return order[~np.isnan(self.f1[order])][:count].tolist()


def errors_by_video(
    ground_truth: GroundTruth, detections: Detections, errors: Errors
) -> VideoErrors:
    """Count the errors of each video, of detections above the score threshold of interest."""
    count = len(ground_truth.video_ids)
    matches = errors.matches
    videos = ground_truth.image_videos[detections.images]
    right, wrong = matches.true_positive, errors.kinds >= 0
    kinds = np.zeros((count, len(KINDS)), dtype=np.int64)
    np.add.at(kinds, (videos[wrong], errors.kinds[wrong]), 1)
    kinds[:, MISSED] = np.bincount(ground_truth.videos[errors.missed], minlength=count)
    lost = matches.counted.copy()
    lost[matches.taken[right]] = False
    images = len(ground_truth.image_ids)
    of_image = np.bincount(detections.images[wrong], minlength=images)
    of_image += np.bincount(ground_truth.images[lost], minlength=images)
    return VideoErrors(
        right=np.bincount(videos[right], minlength=count),
        boxes=np.bincount(ground_truth.videos[matches.counted], minlength=count),
        kinds=kinds,
        image_errors=of_image,
    )
