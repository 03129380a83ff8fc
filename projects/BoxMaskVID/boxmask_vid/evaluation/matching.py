"""Matching of detections with the boxes of their frame and class: overlaps, candidates, matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pycocotools.mask import iou

from .detections import Detections
from .ground_truth import GroundTruth

CHUNK = 1 << 18  # detections whose intermediate values fit the cache

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # detections (N,), boxes (N,), IoUs (N,)


@dataclass(frozen=True)
class Matches:
    """Result of a scorer for D detections and A boxes, before any average.

    A detection that is neither a true positive nor has a weight does not count.
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


class Candidates(NamedTuple):
    """N pairs of a detection and a box of its frame and class that it may take."""

    rows: np.ndarray  # (N,) detections
    boxes: np.ndarray  # (N,)
    ious: np.ndarray  # (N,)
    turns: np.ndarray  # (N,) number of earlier detections with candidates in this frame and class

    @classmethod
    def of(cls, parts: Iterable[Pairs], detections: Detections, num_classes: int) -> Candidates:
        """Candidates from portions of their first three columns."""
        empty = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        rows, boxes, ious = map(np.concatenate, zip(empty, *parts, strict=True))
        finders, inverse = np.unique(rows, return_inverse=True)
        turns = position_in_group(frame_and_class(detections, num_classes, finders))[inverse]
        return cls(rows, boxes, ious, turns)

    def ordered(self, *preference: np.ndarray) -> Candidates:
        """Candidates in the order in which they are tried.

        Of the free boxes, a detection takes the one with the lowest preference, (N,) columns, of
        which the last decides first.
        """
        order = np.lexsort((*preference, self.rows, self.turns))
        return Candidates(*(column[order] for column in self))

    def over(self, threshold: float) -> Candidates:
        """Candidates with at least this IoU."""
        enough = self.ious >= threshold
        return Candidates(*(column[enough] for column in self))


def take(candidates: Candidates, num_detections: int, reusable: np.ndarray) -> np.ndarray:
    """(D,) int32, the box that each detection takes; -1 for none.

    The detections of a frame and class take boxes in turn, by falling score, from candidates in the
    order of :meth:`Candidates.ordered`. Reusable boxes (A,), crowds, stay free when they are taken.
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


def frame_and_class(
    detections: Detections, num_classes: int, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """(N,) one number for the frame and the class of each detection."""
    return detections.images[rows].astype(np.int64) * num_classes + detections.classes[rows]


def position_in_group(groups: np.ndarray) -> np.ndarray:
    """(N,) number of earlier elements with the same value."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    position = np.empty(len(groups), dtype=np.int64)
    position[order] = np.arange(len(groups)) - np.searchsorted(ordered, ordered)
    return position


def paired_iou(
    boxes: np.ndarray, others: np.ndarray, *, extra: float = 0, crowd: bool = False
) -> np.ndarray:
    """(N,) IoU of each box with the other box in the same row.

    Args:
        boxes, others: (N, 4) x, y, width, height.
        extra: added to widths, heights and the sides of the intersection: 1 where coordinates mean
            whole pixels, both ends included.
        crowd: ``others`` are crowds: the share of ``boxes`` that they cover.
    """
    x, y, width, height = boxes.T
    other_x, other_y, other_width, other_height = others.T
    right, bottom = x + width, y + height
    other_right, other_bottom = other_x + other_width, other_y + other_height
    sides = np.minimum(right, other_right) - np.maximum(x, other_x)
    ends = np.minimum(bottom, other_bottom) - np.maximum(y, other_y)
    if extra:  # widths and heights from the corners, as the scorers that add a pixel compute them
        width, height = right - x, bottom - y
        other_width, other_height = other_right - other_x, other_bottom - other_y
    overlap = np.maximum(sides + extra, 0) * np.maximum(ends + extra, 0)
    area = (width + extra) * (height + extra)
    union = area if crowd else area + (other_width + extra) * (other_height + extra) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def iou_matrix(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(A, B) IoU of boxes (A, 4) with boxes (B, 4), x, y, width, height."""
    return iou(boxes, others, np.zeros(len(others), dtype=bool))


def frame_pairs(
    ground_truth: GroundTruth, detections: Detections, boxes: np.ndarray | None = None
) -> Iterator[tuple[slice, Iterator[tuple[np.ndarray, np.ndarray]]]]:
    """Pairs of a detection and a ground-truth box of its frame, a chunk of detections at a time.

    Args:
        ground_truth: A boxes.
        detections: D.
        boxes: positions of the boxes to pair, rising; None: all.

    Yields:
        rows of the chunk, and its pairs, in portions: detections (M,), none twice in a portion, and
        a box of the frame of each (M,). The first portion has the first box of every frame, the
        second one the second box, and so on.
    """
    if boxes is None:
        boxes = np.arange(len(ground_truth))
    counts = np.bincount(ground_truth.images[boxes], minlength=len(ground_truth.image_ids))
    ends = np.cumsum(counts)
    for first in range(0, len(detections), CHUNK):
        chunk = slice(first, min(first + CHUNK, len(detections)))
        images = detections.images[chunk]
        yield chunk, _portions(boxes, (ends - counts)[images], ends[images], first)


def _portions(
    boxes: np.ndarray, place: np.ndarray, end: np.ndarray, first_row: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rows = np.arange(first_row, first_row + len(place))
    while True:
        left = place < end
        rows, place, end = rows[left], place[left], end[left]
        if not len(rows):
            return
        yield rows, boxes[place]
        place = place + 1
