"""The scorers of ILSVRC's code (FGFA, SELSA, YOLOV) and of MEGA's (RDN, DiffusionVID).

Both weigh a false positive less the more of what it overlaps lies outside a motion range.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matching import Candidates, Matches, Pairs, frame_and_class, frame_pairs, paired_iou, take
from .motion import MOTION_RANGES, in_range

CROWD_IOU = 0.5  # lowest share of a detection in a crowd that makes it no false positive


def match_ilsvrc(
    ground_truth: GroundTruth,
    detections: Detections,
    motion: np.ndarray,
    ranges: dict[str, tuple[float, float]] = MOTION_RANGES,
) -> Iterator[tuple[str, Matches]]:
    """Match detections at IoU 0.5, less for small boxes; all boxes of a frame weigh its errors.

    Args:
        ground_truth: A boxes; crowds are ignored.
        detections: D.
        motion: (A,) from :func:`motion_iou`.
        ranges: closed ranges of the motion IoU; boxes outside are ignored.

    Yields:
        name and matches of each range.
    """
    boxes = ground_truth.boxes
    sides = (boxes[:, :2] + boxes[:, 2:]) - boxes[:, :2] + 1
    thresholds = np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
    matching = _MotionMatching(ground_truth, detections, motion, ranges, per_class=False)
    candidates = matching.walk(boxes, thresholds, extra=1)
    candidates = candidates.ordered(candidates.boxes, -candidates.ious)
    taken = take(candidates, len(detections), np.zeros(len(ground_truth), dtype=bool))
    for number, name in enumerate(ranges):
        yield name, matching.matches(number, taken)


def match_mega(
    ground_truth: GroundTruth,
    detections: Detections,
    motion: np.ndarray,
    ranges: dict[str, tuple[float, float]] = MOTION_RANGES,
) -> Iterator[tuple[str, Matches]]:
    """Match detections at IoU 0.5; only boxes of its class weigh a detection's error.

    Boxes are clipped to [0, W - 1] x [0, H - 1]. Arguments and results as in :func:`match_ilsvrc`.
    """
    last = ground_truth.image_sizes[ground_truth.images, ::-1] - 1
    first = np.clip(ground_truth.boxes[:, :2], 0, last)
    end = np.clip(ground_truth.boxes[:, :2] + ground_truth.boxes[:, 2:], 0, last)
    boxes = np.concatenate([first, end - first], axis=1)
    matching = _MotionMatching(ground_truth, detections, motion, ranges, per_class=True)
    candidates = matching.walk(boxes, np.full(len(boxes), 0.5), extra=2)
    for number, name in enumerate(ranges):
        # of equal IoUs: the first box that counts, else the last one
        counts = matching.counted[number][candidates.boxes]
        place = np.where(counts, candidates.boxes - len(boxes), -candidates.boxes)
        ordered = candidates.ordered(place, -candidates.ious)
        taken = take(ordered, len(detections), np.zeros(len(boxes), dtype=bool))
        yield name, matching.matches(number, taken)


class _MotionMatching:
    """Candidates and false-positive weights of all R motion ranges in one pass.

    An unmatched detection weighs 1 if it overlaps boxes in the range more than ignored ones, 0 if
    less. If equal, its weight is the share of ignored boxes in its frame; without boxes there, the
    share of motion IoUs in the range.

    ``per_class``: a detection's frame has boxes of its own class only. Then the share of a range
    that has all motion IoUs counts as 0, and a tie never weighs 0, but 1.
    """

    def __init__(
        self,
        ground_truth: GroundTruth,
        detections: Detections,
        motion: np.ndarray,
        ranges: dict[str, tuple[float, float]],
        *,
        per_class: bool,
    ) -> None:
        self._ground_truth = ground_truth
        self._detections = detections
        self._per_class = per_class
        single = ~ground_truth.is_crowd
        inside = [in_range(motion, limits) for limits in ranges.values()]
        self.counted = np.stack(inside) & single  # (R, A)
        # a frame without boxes is an entry of motion IoU 0
        empty = len(ground_truth.image_ids) - len(np.unique(ground_truth.images[single]))
        entries = np.append(motion[single], np.zeros(empty))
        shares = [in_range(entries, limits).sum() for limits in ranges.values()]
        self._ties = self._tie_weights(np.array(shares) / max(len(entries), 1))
        self._weights = np.empty((len(ranges), len(detections)))

    def walk(self, boxes: np.ndarray, thresholds: np.ndarray, *, extra: int) -> Candidates:
        """Weigh all detections; candidates are pairs with at least the threshold (A,) of the box.

        ``boxes`` (A, 4) are as they are compared, with ``extra`` pixels of :func:`paired_iou`.
        """
        truth, detections = self._ground_truth, self._detections
        found: list[Pairs] = []
        for chunk, pairs in frame_pairs(truth, detections, np.flatnonzero(~truth.is_crowd)):
            best = np.full((2, len(self.counted), chunk.stop - chunk.start), -1.0)
            for rows, truths in pairs:
                same = detections.classes[rows] == truth.classes[truths]
                if self._per_class:
                    rows, truths, same = rows[same], truths[same], same[same]
                ious = paired_iou(detections.boxes[rows], boxes[truths], extra=extra)
                for number, counted in enumerate(self.counted[:, truths]):
                    for side, part in zip(best[:, number], (~counted, counted), strict=True):
                        places = rows[part] - chunk.start
                        side[places] = np.maximum(side[places], ious[part])
                possible = np.flatnonzero(same & (ious >= thresholds[truths]))
                found.append((rows[possible], truths[possible], ious[possible]))
            ignored, kept = best
            places = detections.images[chunk]
            if self._per_class:
                places = frame_and_class(detections, truth.num_classes, chunk)
            weights = np.where(kept > ignored, 1.0, self._ties[:, places])
            self._weights[:, chunk] = np.where(ignored > kept, 0, weights)
        self._forgive_in_crowds()
        return Candidates.of(found, detections, truth.num_classes)

    def matches(self, number: int, taken: np.ndarray) -> Matches:
        """Matches in a range, given the box (D,) that each detection takes."""
        weights = np.where(taken < 0, self._weights[number], 0)
        return Matches(taken, weights, self.counted[number])

    def _tie_weights(self, shares: np.ndarray) -> np.ndarray:
        """(R, frames, or frames and classes)."""
        truth = self._ground_truth
        places, count = truth.images, len(truth.image_ids)
        if self._per_class:
            places = places * truth.num_classes + truth.classes
            count *= truth.num_classes
            shares = np.where(shares == 1, 0, shares)
        boxes = np.bincount(places[~truth.is_crowd], minlength=count)
        kept = np.stack([np.bincount(places[part], minlength=count) for part in self.counted])
        ties = np.where(boxes, (boxes - kept) / np.maximum(boxes, 1), shares[:, None])
        if self._per_class:
            ties[ties == 0] = 1
        return ties

    def _forgive_in_crowds(self) -> None:
        truth, detections = self._ground_truth, self._detections
        crowds = np.flatnonzero(truth.is_crowd)
        for _, pairs in frame_pairs(truth, detections, crowds) if len(crowds) else ():
            for rows, truths in pairs:
                covered = paired_iou(detections.boxes[rows], truth.boxes[truths], crowd=True)
                same = detections.classes[rows] == truth.classes[truths]
                self._weights[:, rows[same & (covered >= CROWD_IOU)]] = 0
