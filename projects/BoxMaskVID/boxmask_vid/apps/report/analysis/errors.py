"""Kinds of errors (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors",
ECCV 2020, section 2.2), at IoU 0.5. D detections, A boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....evaluation.coco import CocoMatching
from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import FramePairs, Matches, chunks, paired_iou

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
    pairs = FramePairs(ground_truth.images[single], len(ground_truth.image_ids))
    for chunk in chunks(len(detections)):
        for rows, which in pairs.of(detections.images[chunk]):
            rows, truths = rows + chunk.start, single[which]
            overlap = paired_iou(detections.boxes[rows], ground_truth.boxes[truths])
            side = (detections.classes[rows] != ground_truth.classes[truths]).astype(int)
            better = overlap > ious[side, rows]
            place = side[better], rows[better]
            ious[place], boxes[place] = overlap[better], truths[better]
    return ious[0], boxes[0], ious[1], boxes[1]
