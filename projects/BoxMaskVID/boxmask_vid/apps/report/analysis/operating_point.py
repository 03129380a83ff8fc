"""Score threshold with the best F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.matching import Matches


class OperatingPoint(NamedTuple):
    """Detections with at least this score, all classes together."""

    threshold: float
    precision: float
    recall: float
    f1: float  # harmonic mean of the two


def best_operating_point(detections: Detections, matches: Matches) -> OperatingPoint:
    """Largest F1, of equal ones the highest threshold; NaN but F1 = 0 if nothing is found.

    Args:
        detections: D.
        matches: matches of the detections.
    """
    order = np.argsort(-detections.scores, kind="stable")
    scores = detections.scores[order]
    true = np.cumsum(matches.true_positive[order])
    given = true + np.cumsum(matches.false_positive[order])
    count = matches.counted.sum()
    f1 = 2 * true / np.maximum(given + count, 1)
    f1[:-1][scores[:-1] == scores[1:]] = -1  # equal scores come together
    if not len(f1) or not true[-1]:
        return OperatingPoint(float("nan"), float("nan"), float("nan"), 0.0)
    best = int(f1.argmax())
    return OperatingPoint(
        float(scores[best]),
        float(true[best] / given[best]),
        float(true[best] / count),
        float(f1[best]),
    )


def confident(detections: Detections, threshold: float) -> Detections:
    """Detections with at least this score; none if it is NaN."""
    kept = detections.scores >= threshold
    columns = (detections.images, detections.classes, detections.scores, detections.boxes)
    return Detections(*(column[kept] for column in columns))
