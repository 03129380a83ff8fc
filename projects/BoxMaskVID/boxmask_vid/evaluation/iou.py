"""Overlap of detections with the ground truth of their frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CHUNK = 1 << 18  # detections whose intermediate values fit the cache


def box_iou(
    boxes: np.ndarray, others: np.ndarray, *, extra: float = 0, crowd: bool = False
) -> np.ndarray:
    """IoU of pairs of boxes.

    Args:
        boxes, others: (N, 4) x, y, width, height.
        extra: added to widths, heights and the sides of the intersection: 1 where coordinates mean
            whole pixels, both ends included.
        crowd: ``others`` are crowds: the share of ``boxes`` that they cover.

    Returns:
        (N,)
    """
    x, y, width, height = boxes.T
    other_x, other_y, other_width, other_height = others.T
    right, bottom = x + width, y + height
    other_right, other_bottom = other_x + other_width, other_y + other_height
    sides = np.minimum(right, other_right) - np.maximum(x, other_x)
    ends = np.minimum(bottom, other_bottom) - np.maximum(y, other_y)
    if extra:  # of the corners, as those who add a pixel do
        width, height = right - x, bottom - y
        other_width, other_height = other_right - other_x, other_bottom - other_y
    overlap = np.maximum(sides + extra, 0) * np.maximum(ends + extra, 0)
    area = (width + extra) * (height + extra)
    union = area if crowd else area + (other_width + extra) * (other_height + extra) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


class FramePairs:
    """Pairs of a detection and a ground-truth box of its frame, a portion at a time."""

    def __init__(self, truth_images: np.ndarray, num_images: int) -> None:
        """
        Args:
            truth_images: (A,) sorted, of the boxes.
            num_images: there are.
        """
        self._ends = np.cumsum(np.bincount(truth_images, minlength=num_images))
        self._starts = np.concatenate([[0], self._ends[:-1]])

    def of(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """
        Args:
            images: (N,) of the detections.

        Yields:
            detections (M,), each once, and a box of the frame of each (M,): first all first boxes
            of frames, then the second ones, and so on.
        """
        box, end = self._starts[images], self._ends[images]
        rows = np.arange(len(images))
        while True:
            left = box < end
            rows, box, end = rows[left], box[left], end[left]
            if not len(rows):
                return
            yield rows, box
            box = box + 1


def chunks(count: int) -> Iterator[slice]:
    """Slices that cover ``range(count)``."""
    for first in range(0, count, CHUNK):
        yield slice(first, min(first + CHUNK, count))
