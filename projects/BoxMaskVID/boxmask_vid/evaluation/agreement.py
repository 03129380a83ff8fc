"""How far the detections of one model in two precisions, or of two versions, lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .detections import Detections
from .matching import iou_matrix

LOWEST_SCORE = 0.3
LOWEST_IOU = 0.5


@dataclass(frozen=True)
class Agreement:
    """Differences of detections that two files share.

    Attributes:
        counts: detections of each file with a score of at least ``LOWEST_SCORE``.
        pixels: (N,) largest difference of the corners of each pair of boxes.
        scores: (N,) difference of their scores.
    """

    counts: tuple[int, int]
    pixels: np.ndarray
    scores: np.ndarray

    def __str__(self) -> str:
        shared = f"{len(self.pixels)} of {self.counts[0]} and {self.counts[1]} detections"
        if not len(self.pixels):
            return f"both files share {shared} with scores of {LOWEST_SCORE} or more"
        pixels, scores = self.pixels, self.scores
        return (
            f"both files share {shared} with scores of {LOWEST_SCORE} or more; the boxes differ by "
            f"{np.median(pixels):.3g} pixels (median; at most {pixels.max():.3g}), the scores by "
            f"{np.median(scores):.2g} (at most {scores.max():.2g})"
        )


def agreement(first: Detections, second: Detections) -> Agreement:
    """Pairs of the same class and frame that overlap, each detection in one pair at most.

    Detections of the first file choose by falling score among those that are left the one that
    overlaps most, with an IoU of at least ``LOWEST_IOU``.
    """
    first, second = (
        detections[detections.scores >= LOWEST_SCORE] for detections in (first, second)
    )
    others: dict[tuple[int, int], list[int]] = {}
    for row, key in enumerate(zip(second.images.tolist(), second.classes.tolist(), strict=True)):
        others.setdefault(key, []).append(row)
    pairs = []
    for row, key in enumerate(zip(first.images.tolist(), first.classes.tolist(), strict=True)):
        left = others.get(key)
        if not left:
            continue
        overlap = iou_matrix(first.boxes[row : row + 1], second.boxes[left])[0]
        if overlap.max() >= LOWEST_IOU:
            pairs.append((row, left.pop(int(overlap.argmax()))))
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    ours, theirs = first[rows[:, 0]], second[rows[:, 1]]
    corners = [
        np.concatenate([part.boxes[:, :2], part.boxes[:, :2] + part.boxes[:, 2:]], axis=1)
        for part in (ours, theirs)
    ]
    pixels = np.abs(corners[0] - corners[1]).max(axis=1, initial=0)
    counts = len(first), len(second)
    return Agreement(counts, pixels, np.abs(ours.scores - theirs.scores))
