"""Seq-NMS (Han et al., "Seq-NMS for Video Object Detection", 2016, section 3).

Shapes: N detections of one video.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import numpy as np

from ...evaluation.matching import iou_matrix

RESCORING: dict[str, Callable[[np.ndarray], float]] = {"average": np.mean, "max": np.max}


def seq_nms(
    frames: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    *,
    rescoring: Literal["average", "max"] = "average",
    link_iou: float = 0.5,
    suppression_iou: float = 0.3,
) -> tuple[np.ndarray, np.ndarray]:
    """Rescore sequences of overlapping detections, and drop what overlaps them.

    For each class: boxes of consecutive frames are linked where their IoU is above ``link_iou``;
    the path with the largest sum of scores is taken out, together with the boxes of its frames that
    overlap it; and again, until no box is left. Among equal paths, the one that starts in the
    earlier frame is taken; among equal boxes, the first one.

    Args:
        frames: (N,) int, number of the frame in the video.
        boxes: (N, 4) x, y, w, h in pixels.
        scores: (N,), not negative.
        classes: (N,) int.
        rescoring: a detection gets the average or the largest score of its sequence.
        link_iou: an IoU above it links boxes of consecutive frames.
        suppression_iou: an IoU above it with a box of the sequence drops a box of the same frame.

    Returns:
        (M,) positions of the detections that are kept, rising, and (M,) their new scores.
    """
    rescored = np.full(len(frames), np.nan)
    score_of = RESCORING[rescoring]
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        paths = _Paths(frames[members], boxes[members], scores[members], link_iou)
        while (path := paths.pop_best(suppression_iou)) is not None:
            rescored[members[path]] = score_of(scores[members[path]])
    kept = np.flatnonzero(~np.isnan(rescored))
    return kept, rescored[kept]


class _Paths:
    """Best paths through detections of one class, by dynamic programming from the last frame back.

    ``value[t][i]`` is the sum of scores of the best path that starts at box ``i`` of the t-th frame
    with boxes; -inf once the box is gone.
    """

    def __init__(
        self, frames: np.ndarray, boxes: np.ndarray, scores: np.ndarray, link_iou: float
    ) -> None:
        order = np.argsort(frames, kind="stable")
        numbers, starts = np.unique(frames[order], return_index=True)
        self.members = np.split(order, starts[1:])
        self.boxes = [np.asarray(boxes[rows], dtype=np.float64) for rows in self.members]
        self.scores = [np.asarray(scores[rows], dtype=np.float64) for rows in self.members]
        self.links: list[np.ndarray | None] = [
            iou_matrix(here, there) > link_iou if step == 1 else None
            for (here, there), step in zip(pairwise(self.boxes), np.diff(numbers), strict=True)
        ]
        self.links.append(None)
        self.value = [value.copy() for value in self.scores]
        self.best = np.zeros(len(self.value))
        self._update(0, len(self.value) - 1)

    def pop_best(self, suppression_iou: float) -> np.ndarray | None:
        """Positions of the boxes on the best path; None when no box is left."""
        if (self.best == -np.inf).all():
            return None
        first = int(self.best.argmax())
        path = [int(self.value[first].argmax())]
        last = first
        while (following := self._following(last, path[-1])) is not None:
            path.append(following)
            last += 1
        for frame, box in enumerate(path, start=first):
            boxes = self.boxes[frame]
            gone = iou_matrix(boxes[box : box + 1], boxes)[0] > suppression_iou
            gone[box] = True
            self.value[frame][gone] = -np.inf
        self._update(first, last)
        return np.array([self.members[first + step][box] for step, box in enumerate(path)])

    def _following(self, frame: int, box: int) -> int | None:
        links = self.links[frame]
        if links is None:
            return None
        values = np.where(links[box], self.value[frame + 1], -np.inf)
        following = int(values.argmax())
        return None if values[following] == -np.inf else following

    def _update(self, first: int, last: int) -> None:
        """Values of the frames first .. last, and of earlier ones as far as anything changes."""
        for frame in range(last, -1, -1):
            before, links = self.value[frame], self.links[frame]
            after = self.scores[frame]
            if links is not None:
                rest = np.where(links, self.value[frame + 1], 0).max(axis=1)
                after = after + np.maximum(rest, 0)
            after = np.where(before == -np.inf, before, after)
            self.value[frame] = after
            self.best[frame] = after.max()
            if frame < first and np.array_equal(before, after):
                break
