"""The scorers of ILSVRC's code (FGFA, SELSA, YOLOV) and of MEGA's (RDN, DiffusionVID).

Both weigh a false positive less the more of what it overlaps lies outside a motion range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matching import (
    Candidates,
    FramePairs,
    Matches,
    Pairs,
    chunks,
    frame_and_class,
    paired_iou,
    take,
)
from .motion import MOTION_RANGES, in_range, share_of_entries

CROWD_IOU = 0.5  # lowest share of a detection in a crowd that makes it no false positive

Overlap = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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

    def overlap(boxes: np.ndarray, truths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return paired_iou(boxes, truths, extra=1)

    matching = MotionMatching(ground_truth, detections, motion, ranges, per_class=False)
    corners, sides = ground_truth.boxes[:, :2], ground_truth.boxes[:, 2:]
    sides = (corners + sides) - corners + 1
    thresholds = np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
    candidates = matching.walk(overlap, thresholds)
    candidates = candidates.ordered(candidates.boxes, -candidates.ious)
    taken = take(candidates, len(detections), np.zeros(len(ground_truth), dtype=bool))
    yield from matching.matches(lambda _: taken)


def match_mega(
    ground_truth: GroundTruth,
    detections: Detections,
    motion: np.ndarray,
    ranges: dict[str, tuple[float, float]] = MOTION_RANGES,
) -> Iterator[tuple[str, Matches]]:
    """Match detections at IoU 0.5; only boxes of its class weigh a detection's error.

    Arguments and results are those of :func:`match_ilsvrc`.
    """

    def overlap(boxes: np.ndarray, truths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """IoU with boxes clipped to [0, W - 1] x [0, H - 1]."""
        last = sizes[:, ::-1] - 1
        first = np.clip(truths[:, :2], 0, last)
        end = np.clip(truths[:, :2] + truths[:, 2:], 0, last)
        return paired_iou(boxes, np.concatenate([first, end - first], axis=1), extra=2)

    matching = MotionMatching(ground_truth, detections, motion, ranges, per_class=True)
    candidates = matching.walk(overlap, np.full(len(ground_truth), 0.5))
    reusable = np.zeros(len(ground_truth), dtype=bool)

    def taken_in(number: int) -> np.ndarray:
        # of equal IoUs: the first box that counts, else the last one
        counts = matching.counted[number][candidates.boxes]
        place = np.where(counts, candidates.boxes - len(ground_truth), -candidates.boxes)
        return take(candidates.ordered(place, -candidates.ious), len(detections), reusable)

    yield from matching.matches(taken_in)


class MotionMatching:
    """Candidates and false-positive weights of all motion ranges in one pass.

    An unmatched detection weighs 1 if it overlaps boxes in the range more than ignored ones, 0 if
    less. If equal, its weight is the share of ignored boxes in its frame; without boxes there, the
    share of motion IoUs in the range.
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
        """
        Args:
            ground_truth: A boxes; crowds are ignored.
            detections: D.
            motion: (A,) motion IoU.
            ranges: R closed ranges.
            per_class: whether a detection's frame has boxes of its own class only. Then the share
                of a range that has all motion IoUs counts as 0, and a tie never weighs 0, but 1.
        """
        self._ground_truth = ground_truth
        self._detections = detections
        self._per_class = per_class
        self.names = list(ranges)
        self._single = np.flatnonzero(~ground_truth.is_crowd)
        inside = [in_range(motion, limits) for limits in ranges.values()]
        self.counted = np.stack(inside) & ~ground_truth.is_crowd  # (R, A)
        shares = [share_of_entries(ground_truth, motion, limits) for limits in ranges.values()]
        self._ties = self._tie_weights(np.array(shares))
        self._weights = np.empty((len(ranges), len(detections)))

    def walk(self, overlap: Overlap, thresholds: np.ndarray) -> Candidates:
        """Go through all pairs of a detection and a box of its frame.

        Args:
            overlap: IoU of boxes (N, 4) with boxes (N, 4), x, y, w, h, in frames (N, 2), h, w.
            thresholds: (A,) lowest IoU to find a box.
        """
        truth, detections = self._ground_truth, self._detections
        pairs = FramePairs(truth.images[self._single], len(truth.image_ids))
        found: list[Pairs] = []
        for chunk in chunks(len(detections)):
            images, classes = detections.images[chunk], detections.classes[chunk]
            boxes = detections.boxes[chunk]
            best = np.full((2, len(self.names), len(images)), -1.0)
            for rows, singles in pairs.of(images):
                truths = self._single[singles]
                same = classes[rows] == truth.classes[truths]
                if self._per_class:
                    rows, truths, same = rows[same], truths[same], same[same]
                sizes = truth.image_sizes[images[rows]]
                ious = overlap(boxes[rows], truth.boxes[truths], sizes)
                for number, counted in enumerate(self.counted[:, truths]):
                    for side, part in zip(best[:, number], (~counted, counted), strict=True):
                        side[rows[part]] = np.maximum(side[rows[part]], ious[part])
                possible = np.flatnonzero(same & (ious >= thresholds[truths]))
                found.append((rows[possible] + chunk.start, truths[possible], ious[possible]))
            self._weigh(chunk, *best)
        self._forgive_in_crowds()
        return Candidates.of(found, detections, truth.num_classes)

    def matches(self, taken_in: Callable[[int], np.ndarray]) -> Iterator[tuple[str, Matches]]:
        """
        Args:
            taken_in: (D,) the box that each detection takes, given the number of the range.

        Yields:
            name and matches of each range.
        """
        for number, name in enumerate(self.names):
            taken = taken_in(number)
            weights = np.where(taken < 0, self._weights[number], 0)
            yield name, Matches(taken, weights, self.counted[number])

    def _tie_weights(self, shares: np.ndarray) -> np.ndarray:
        """(R, frames, or frames and classes)."""
        truth = self._ground_truth
        places, count = truth.images, len(truth.image_ids)
        if self._per_class:
            places = places * truth.num_classes + truth.classes
            count *= truth.num_classes
            shares = np.where(shares == 1, 0, shares)
        boxes = np.bincount(places[self._single], minlength=count)
        ties = np.empty((len(shares), count))
        for number, (share, counted) in enumerate(zip(shares, self.counted, strict=True)):
            kept = np.bincount(places[counted], minlength=count)
            ties[number] = np.where(boxes, (boxes - kept) / np.maximum(boxes, 1), share)
        if self._per_class:
            ties[ties == 0] = 1
        return ties

    def _weigh(self, chunk: slice, ignored: np.ndarray, kept: np.ndarray) -> None:
        """Weights of a chunk from its best IoUs (R, N) with ignored and with other boxes."""
        places = self._detections.images[chunk]
        if self._per_class:
            places = frame_and_class(self._detections, self._ground_truth.num_classes, chunk)
        weights = np.where(kept > ignored, 1.0, self._ties[:, places])
        weights[ignored > kept] = 0
        self._weights[:, chunk] = weights

    def _forgive_in_crowds(self) -> None:
        truth, detections = self._ground_truth, self._detections
        crowds = np.flatnonzero(truth.is_crowd)
        pairs = FramePairs(truth.images[crowds], len(truth.image_ids))
        for chunk in chunks(len(detections) if len(crowds) else 0):
            for rows, which in pairs.of(detections.images[chunk]):
                rows, truths = rows + chunk.start, crowds[which]
                covered = paired_iou(detections.boxes[rows], truth.boxes[truths], crowd=True)
                same = detections.classes[rows] == truth.classes[truths]
                self._weights[:, rows[same & (covered >= CROWD_IOU)]] = 0
