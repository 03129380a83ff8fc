"""Precision over recall, for plots."""

from __future__ import annotations

import numpy as np

from ....evaluation.average_precision import RECALLS, class_precisions, envelope_at_101_recalls
from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import Matches


def precision_at_recalls(
    matches: Matches, detections: Detections, ground_truth: GroundTruth
) -> np.ndarray:
    """(C, 101) largest precision from each recall on; its mean is COCO's AP. NaN without boxes."""
    curves = np.full((ground_truth.num_classes, len(RECALLS)), np.nan)
    for label, precision, count in class_precisions(matches, detections, ground_truth):
        curves[label] = envelope_at_101_recalls(precision, count)
    return curves
