"""Which detections may take which boxes, and which do."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .detections import Detections


class Candidates(NamedTuple):
    """N pairs of a detection and a box of its frame and class that it may take."""

    rows: np.ndarray  # (N,) detections
    boxes: np.ndarray  # (N,)
    ious: np.ndarray  # (N,)
    turns: np.ndarray  # (N,) how many candidates for boxes of this frame and class come before

    @classmethod
    def of(
        cls,
        rows: list[np.ndarray],
        boxes: list[np.ndarray],
        ious: list[np.ndarray],
        detections: Detections,
        num_classes: int,
    ) -> Candidates:
        """From portions of the first three."""
        rows, boxes = _joined(rows, np.int64), _joined(boxes, np.int64)
        ious = _joined(ious, np.float64)
        finders, inverse = np.unique(rows, return_inverse=True)
        places = place_of(detections, num_classes, finders)
        return cls(rows, boxes, ious, position_in_group(places)[inverse])

    def ordered(self, *preference: np.ndarray) -> Candidates:
        """In the order in which they are tried.

        Args:
            preference: (N,) each, the last decides first: of the free boxes a detection takes the
                one where it is lowest.
        """
        order = np.lexsort((*preference, self.rows, self.turns))
        return Candidates(*(column[order] for column in self))

    def over(self, threshold: float) -> Candidates:
        """Those with at least this IoU."""
        enough = self.ious >= threshold
        return Candidates(*(column[enough] for column in self))


def take(candidates: Candidates, num_detections: int, reusable: np.ndarray) -> np.ndarray:
    """Let detections take boxes, those of a frame and class in turn, by falling score.

    Args:
        candidates: from :meth:`Candidates.ordered`.
        num_detections: D.
        reusable: (A,) bool, boxes that stay free when they are taken (crowds).

    Returns:
        (D,) int32, the box that each detection takes; -1 for none.
    """
    rows, boxes, _, turns = candidates
    taken = np.full(num_detections, -1, dtype=np.int32)
    free = np.ones(len(reusable), dtype=bool)
    last = int(turns[-1]) if len(turns) else -1
    bounds = np.searchsorted(turns, np.arange(last + 2))
    for start, end in pairwise(bounds):
        possible = start + np.flatnonzero(free[boxes[start:end]])
        first = np.diff(rows[possible], prepend=-1) != 0
        chosen = possible[first]
        taken[rows[chosen]] = boxes[chosen]
        free[boxes[chosen]] = reusable[boxes[chosen]]
    return taken


def place_of(
    detections: Detections, num_classes: int, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """(N,) one number for the frame and the class of each detection."""
    return detections.images[rows].astype(np.int64) * num_classes + detections.classes[rows]


def position_in_group(groups: np.ndarray) -> np.ndarray:
    """(N,) how many earlier elements have the same value."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    new = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    lengths = np.diff(np.append(new, len(ordered)))
    position = np.empty(len(groups), dtype=np.int64)
    position[order] = np.arange(len(groups)) - np.repeat(new, lengths)
    return position


def _joined(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
