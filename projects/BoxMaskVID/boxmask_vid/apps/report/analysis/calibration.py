"""Calibration of scores (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
for detections: Kueppers et al., "Multivariate Confidence Calibration", CVPR-W 2020.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.matching import Matches

BINS = 10
LOWEST_SCORE = 0.05  # below it, the many detections that nobody looks at would decide


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

    Args:
        detections: D.
        matches: matches of the detections; detections that do not count are left out.
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
