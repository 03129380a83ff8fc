"""Cost of the kinds of errors (Bolya et al., TIDE, ECCV 2020, section 2.3), in groups of boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....evaluation.average_precision import at_101_recalls, average_precisions, mean_over_classes
from ....evaluation.coco import AREA_RANGES
from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import Matches
from ....evaluation.motion import MOTION_RANGES, in_range
from .errors import CLASSIFICATION, KINDS, LOCALISATION, MISSED, Errors


def box_groups(ground_truth: GroundTruth, motion: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Members of each group, (A,) bool, by motion, size and occlusion.

    Without tracks there is no "motion", without ``occluded`` flags no "occlusion". Boxes that have
    no ``occluded`` flag are in neither of its groups. ``motion`` (A,) is from :func:`motion_iou`.
    """
    groups = {}
    if (ground_truth.tracks >= 0).any():
        groups["motion"] = {
            name: in_range(motion, limits)
            for name, limits in MOTION_RANGES.items()
            if name != "all"
        }
    areas = ground_truth.areas
    groups["size"] = {name: in_range(areas, limits) for name, limits in AREA_RANGES.items()}
    if (ground_truth.occluded >= 0).any():
        groups["occlusion"] = {
            "occluded": ground_truth.occluded == 1,
            "not occluded": ground_truth.occluded == 0,
        }
    return groups


class DeltaAP(NamedTuple):
    """AP50, and its gain when all errors of one kind are fixed (TIDE's dAP)."""

    ap50: float  # 0 .. 1
    gains: tuple[float, ...]  # in the order of `KINDS`


def delta_ap(
    ground_truth: GroundTruth,
    detections: Detections,
    errors: Errors,
    group: np.ndarray | None = None,
) -> DeltaAP:
    """Compute the cost of each kind of error.

    Wrong class or location: the best detection of a box that nothing finds is corrected, the
    others are removed. Duplicates, background and both: removed. Missed: the box need not be found.
    Values are NaN if no box is to be found.

    Args:
        ground_truth, detections, errors: A boxes, D detections, and their errors.
        group: (A,) bool, boxes to be found; the others are ignored, and so are errors about them.
            Errors on the background, which are about no box, always count. None: all.
    """
    if group is None:
        group = np.ones(len(ground_truth), dtype=bool)
    inside = np.append(group, True)[errors.boxes]  # -1: about no box
    matches = replace(
        errors.matches,
        counted=errors.matches.counted & group,
        false_positive=errors.matches.false_positive.astype(bool) & inside,
    )
    ap50 = _ap50(matches, detections, ground_truth)
    fixed = (_fixed(kind, matches, errors, detections, ground_truth) for kind in range(len(KINDS)))
    return DeltaAP(ap50, tuple(_ap50(*both, ground_truth) - ap50 for both in fixed))


def _fixed(
    kind: int, matches: Matches, errors: Errors, detections: Detections, truth: GroundTruth
) -> tuple[Matches, Detections]:
    """Matches and detections after errors of a kind are corrected or removed."""
    if kind == MISSED:
        return replace(matches, counted=matches.counted & ~errors.missed), detections
    wrong = matches.false_positive & (errors.kinds == kind)
    fixed = replace(matches, false_positive=matches.false_positive & ~wrong)
    if kind not in (CLASSIFICATION, LOCALISATION):
        return fixed, detections
    free = np.ones(len(truth), dtype=bool)
    free[matches.taken[matches.taken >= 0]] = False
    rows = np.flatnonzero(wrong)
    rows = rows[free[errors.boxes[rows]]]
    rows = rows[np.argsort(-detections.scores[rows], kind="stable")]
    boxes, first = np.unique(errors.boxes[rows], return_index=True)
    taken = matches.taken.copy()
    taken[rows[first]] = boxes
    fixed = replace(fixed, taken=taken)
    if kind == LOCALISATION:
        return fixed, detections
    return _in_other_classes(fixed, detections, rows[first], truth.classes[boxes])


def _in_other_classes(
    matches: Matches, detections: Detections, rows: np.ndarray, classes: np.ndarray
) -> tuple[Matches, Detections]:
    """Move these detections to these classes, without sorting the others again."""
    order = np.lexsort((-detections.scores[rows], classes))
    rows, classes = rows[order], classes[order]
    stay = np.delete(np.arange(len(detections)), rows)
    places = np.empty(len(rows), dtype=np.int64)
    for label in np.unique(classes):
        moved = classes == label
        first, end = np.searchsorted(detections.classes[stay], [label, label + 1])
        scores = -detections.scores[stay[first:end]]
        places[moved] = first + np.searchsorted(scores, -detections.scores[rows[moved]])
    order = np.insert(stay, places, rows)
    new_classes = detections.classes.copy()
    new_classes[rows] = classes
    given = replace(detections, classes=new_classes)[order]
    weights = matches.false_positive[order]
    return replace(matches, taken=matches.taken[order], false_positive=weights), given


def _ap50(matches: Matches, detections: Detections, ground_truth: GroundTruth) -> float:
    values = average_precisions(matches, detections, ground_truth, at_101_recalls)
    return mean_over_classes(values)
