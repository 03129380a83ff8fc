"""The threshold with the best F1, and calibration of scores.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; for detections: Kueppers et al.,
"Multivariate Confidence Calibration", CVPR-W 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.matching import Matches

BINS = 10
LOWEST_SCORE = 0.05  # of calibration; below it, many detections that are never shown would decide


@dataclass(frozen=True)
class Calibration:
    """B bins of equal width over scores from 0 to 1; NaN in empty ones."""

    scores: np.ndarray  # (B,) mean score
    precisions: np.ndarray  # (B,) share of true positives
    counts: np.ndarray  # (B,)

    @property
    def error(self) -> float:
        """Expected calibration error: mean of ``|score - precision|`` by count; NaN without any."""
        known = self.counts > 0
        if not known.any():
            return float("nan")
        gaps = np.abs(self.scores - self.precisions)[known]
        return float(np.average(gaps, weights=self.counts[known]))


def calibration(detections: Detections, matches: Matches) -> Calibration:
    """Compare scores from ``LOWEST_SCORE`` with the share of detections that are right.

    Detections that do not count in their matches are left out.
    """
    right = matches.true_positive
    used = (right | matches.false_positive.astype(bool)) & (detections.scores >= LOWEST_SCORE)
    scores = detections.scores[used]
    bins = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    empty = np.full(BINS, np.nan)
    sums = (np.bincount(bins, values, minlength=BINS) for values in (scores, right[used]))
    score, precision = (np.divide(s, counts, out=empty.copy(), where=counts > 0) for s in sums)
    return Calibration(score, precision, counts)


class OperatingPoint(NamedTuple):
    """Detections with at least this score, all classes together."""

    threshold: float
    precision: float
    recall: float
    f1: float  # harmonic mean of the two


def best_operating_point(detections: Detections, matches: Matches) -> OperatingPoint:
    """Largest F1, of equal ones the highest threshold; NaN but F1 = 0 if nothing is found."""
    order = np.argsort(-detections.scores, kind="stable")
    scores = detections.scores[order]
    true = np.cumsum(matches.true_positive[order])
    given = true + np.cumsum(matches.false_positive[order])
    count = matches.counted.sum()
    f1 = 2 * true / np.maximum(given + count, 1)
    f1[:-1][scores[:-1] == scores[1:]] = -1  # equal scores come together
    if not len(f1) or not true[-1]:
        return OperatingPoint(np.nan, np.nan, np.nan, 0.0)
    best = f1.argmax()
    figures = scores[best], true[best] / given[best], true[best] / count, f1[best]
    return OperatingPoint(*map(float, figures))
