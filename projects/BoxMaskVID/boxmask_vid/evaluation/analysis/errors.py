"""Kinds of errors (Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors",
ECCV 2020, sections 2.2 and 2.3), at IoU 0.5. D detections, A boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..average_precision import at_101_recalls, average_precisions, mean_over_classes
from ..coco import CocoMatching
from ..detections import Detections
from ..ground_truth import GroundTruth
from ..iou import FramePairs, box_iou, chunks
from ..matches import Matches

FOREGROUND_IOU = 0.5  # found
BACKGROUND_IOU = 0.1  # up to this, a detection has nothing to do with an object
KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(KINDS))
NO_ERROR = -1


@dataclass(frozen=True)
class Errors:
    """What is wrong with each of D detections, and which of A boxes are missed."""

    kinds: np.ndarray  # (D,) int8, position in `KINDS`; NO_ERROR where right or ignored
    boxes: np.ndarray  # (D,) box that the detection finds or its error is about; -1 for none
    missed: np.ndarray  # (A,) bool: not found, and no error of class or location is about it
    matches: Matches  # at IoU 0.5, with COCO's rules


def find_errors(ground_truth: GroundTruth, detections: Detections) -> Errors:
    """Sort out what is not a true positive.

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


class DeltaAP(NamedTuple):
    """AP50, and how much it rises when all errors of one kind are mended (TIDE's dAP)."""

    ap50: float  # 0 .. 1
    gains: tuple[float, ...]  # in the order of `KINDS`


def delta_ap(
    ground_truth: GroundTruth,
    detections: Detections,
    errors: Errors,
    group: np.ndarray | None = None,
) -> DeltaAP:
    """Weigh the kinds of errors by what they cost.

    Wrong class or location: the best detection of a box that nothing finds is put right, the others
    are removed. Duplicates, background and both: removed. Missed: the box need not be found.

    Args:
        ground_truth: A boxes.
        detections: D.
        errors: of them.
        group: (A,) bool, boxes to be found; the others are ignored, and so are errors about them.
            Errors on the background, which are about no box, always count. None: all.

    Returns:
        NaN where no box is to be found.
    """
    if group is None:
        group = np.ones(len(ground_truth), dtype=bool)
    inside = np.append(group, True)[errors.boxes]  # -1: about none
    matches = replace(
        errors.matches,
        counted=errors.matches.counted & group,
        false_positive=errors.matches.false_positive.astype(bool) & inside,
    )
    ap50 = _ap50(matches, detections, ground_truth)
    gains = []
    for kind in range(len(KINDS)):
        mended, given = _mended(kind, matches, errors, detections, ground_truth)
        gains.append(_ap50(mended, given, ground_truth) - ap50)
    return DeltaAP(ap50, tuple(gains))


def _mended(
    kind: int, matches: Matches, errors: Errors, detections: Detections, truth: GroundTruth
) -> tuple[Matches, Detections]:
    """Matches and detections after errors of a kind are put right or removed."""
    if kind == MISSED:
        return replace(matches, counted=matches.counted & ~errors.missed), detections
    wrong = matches.false_positive & (errors.kinds == kind)
    mended = replace(matches, false_positive=matches.false_positive & ~wrong)
    if kind not in (CLASSIFICATION, LOCALISATION):
        return mended, detections
    free = np.ones(len(truth), dtype=bool)
    free[matches.taken[matches.taken >= 0]] = False
    rows = np.flatnonzero(wrong)
    rows = rows[free[errors.boxes[rows]]]
    rows = rows[np.argsort(-detections.scores[rows], kind="stable")]
    boxes, first = np.unique(errors.boxes[rows], return_index=True)
    taken = matches.taken.copy()
    taken[rows[first]] = boxes
    mended = replace(mended, taken=taken)
    if kind == LOCALISATION:
        return mended, detections
    return _in_other_classes(mended, detections, rows[first], truth.classes[boxes])


def _in_other_classes(
    matches: Matches, detections: Detections, rows: np.ndarray, classes: np.ndarray
) -> tuple[Matches, Detections]:
    """Move these detections to these classes, without sorting all others anew."""
    order = np.lexsort((-detections.scores[rows], classes))
    rows, classes = rows[order], classes[order]
    stay = np.delete(np.arange(len(detections)), rows)
    places = np.empty(len(rows), dtype=np.int64)
    for each in np.unique(classes):
        moved = classes == each
        first, end = np.searchsorted(detections.classes[stay], [each, each + 1])
        scores = -detections.scores[stay[first:end]]
        places[moved] = first + np.searchsorted(scores, -detections.scores[rows[moved]])
    order = np.insert(stay, places, rows)
    new_classes = detections.classes.copy()
    new_classes[rows] = classes
    columns = (detections.images, new_classes, detections.scores, detections.boxes)
    given = Detections(*(column[order] for column in columns))
    weights = matches.false_positive[order]
    return replace(matches, taken=matches.taken[order], false_positive=weights), given


def _ap50(matches: Matches, detections: Detections, ground_truth: GroundTruth) -> float:
    values = average_precisions(matches, detections, ground_truth, at_101_recalls)
    return mean_over_classes(values)


def _best_overlaps(ground_truth: GroundTruth, detections: Detections) -> tuple[np.ndarray, ...]:
    """(D,) each: best IoU with boxes of the class, and which; with other boxes, and which.

    Crowds are left out. 0 and -1 where there is no box.
    """
    ious, boxes = np.zeros((2, len(detections))), np.full((2, len(detections)), -1)
    single = np.flatnonzero(~ground_truth.is_crowd)
    pairs = FramePairs(ground_truth.images[single], len(ground_truth.image_ids))
    for chunk in chunks(len(detections)):
        for rows, which in pairs.of(detections.images[chunk]):
            rows, truths = rows + chunk.start, single[which]
            overlap = box_iou(detections.boxes[rows], ground_truth.boxes[truths])
            side = (detections.classes[rows] != ground_truth.classes[truths]).astype(int)
            better = overlap > ious[side, rows]
            place = side[better], rows[better]
            ious[place], boxes[place] = overlap[better], truths[better]
    return ious[0], boxes[0], ious[1], boxes[1]
