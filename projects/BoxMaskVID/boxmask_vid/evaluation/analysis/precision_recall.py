"""Precision over recall, for drawing."""

from __future__ import annotations

import numpy as np

from ..average_precision import RECALLS
from ..detections import Detections
from ..ground_truth import GroundTruth
from ..matches import Matches, positives


def precision_at_recalls(
    matches: Matches, detections: Detections, ground_truth: GroundTruth
) -> np.ndarray:
    """(C, 101) largest precision from each recall on; its mean is COCO's AP. NaN without boxes."""
    counts = positives(matches, ground_truth)
    right = matches.true_positive
    curves = np.full((ground_truth.num_classes, len(RECALLS)), np.nan)
    for each in np.flatnonzero(counts):
        part = detections.class_slice(each)
        true = np.cumsum(right[part])
        given = true + np.cumsum(matches.false_positive[part])
        precision = np.divide(true, given, out=np.zeros(len(true)), where=given > 0)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        reached = np.searchsorted(true / counts[each], RECALLS, side="left")
        curves[each] = np.append(envelope, 0)[reached]
    return curves
