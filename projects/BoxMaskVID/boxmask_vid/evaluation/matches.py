"""Which detection finds which box: what all scorers give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ground_truth import GroundTruth


@dataclass(frozen=True)
class Matches:
    """What a scorer makes of D detections and A boxes, before any average.

    A detection that is neither a true positive nor has a weight counts as nothing.
    """

    taken: np.ndarray  # (D,) int32, the box that each detection takes; -1 for none
    false_positive: np.ndarray  # (D,) weight from 0 to 1, bool or float64
    counted: np.ndarray  # (A,) bool, boxes that are to be found; the others are ignored

    @property
    def true_positive(self) -> np.ndarray:
        """(D,) bool."""
        if not len(self.counted):
            return np.zeros(len(self.taken), dtype=bool)
        return (self.taken >= 0) & self.counted[self.taken]


def positives(matches: Matches, ground_truth: GroundTruth) -> np.ndarray:
    """(C,) boxes of each class that are to be found."""
    classes = ground_truth.classes[matches.counted]
    return np.bincount(classes, minlength=ground_truth.num_classes)
