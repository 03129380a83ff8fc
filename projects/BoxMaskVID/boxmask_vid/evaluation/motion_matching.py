"""What the ilsvrc and mega scorers share: false positives that weigh less outside a range."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .candidates import Candidates, place_of
from .detections import Detections
from .ground_truth import GroundTruth
from .iou import FramePairs, box_iou, chunks
from .matches import Matches
from .motion import in_range, share_of_entries

CROWD_IOU = 0.5  # share of a detection that lies in a crowd, from which on it is no false positive

Overlap = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class MotionMatching:
    """Candidates and false-positive weights of all motion ranges in one pass.

    An unmatched detection weighs 1 if it overlaps boxes in the range more than ignored ones, 0 if
    less. If equal, what it weighs is the share of ignored boxes in its frame; without boxes there,
    the share of motion IoUs in the range.
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
                of a range that has all motion IoUs counts as 0, and no tie weighs nothing.
        """
        self._ground_truth = ground_truth
        self._detections = detections
        self._per_class = per_class
        self.names = list(ranges)
        self._single = np.flatnonzero(~ground_truth.is_crowd)
        inside = [in_range(motion, each) for each in ranges.values()]
        self.counted = np.stack(inside) & ~ground_truth.is_crowd  # (R, A)
        shares = [share_of_entries(ground_truth, motion, each) for each in ranges.values()]
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
        found = [], [], []
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
                for each, counted in enumerate(self.counted[:, truths]):
                    for side, part in zip(best[:, each], (~counted, counted), strict=True):
                        side[rows[part]] = np.maximum(side[rows[part]], ious[part])
                possible = np.flatnonzero(same & (ious >= thresholds[truths]))
                found[0].append(rows[possible] + chunk.start)
                found[1].append(truths[possible])
                found[2].append(ious[possible])
            self._weigh(chunk, *best)
        self._forgive_in_crowds()
        return Candidates.of(*found, detections, truth.num_classes)

    def matches(self, taken_in: Callable[[int], np.ndarray]) -> Iterator[tuple[str, Matches]]:
        """
        Args:
            taken_in: (D,) the box that each detection takes, given the number of the range.
        """
        for each, name in enumerate(self.names):
            taken = taken_in(each)
            weights = np.where(taken < 0, self._weights[each], 0)
            yield name, Matches(taken, weights, self.counted[each])

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
        for each, (share, counted) in enumerate(zip(shares, self.counted, strict=True)):
            kept = np.bincount(places[counted], minlength=count)
            ties[each] = np.where(boxes, (boxes - kept) / np.maximum(boxes, 1), share)
        if self._per_class:
            ties[ties == 0] = 1
        return ties

    def _weigh(self, chunk: slice, ignored: np.ndarray, kept: np.ndarray) -> None:
        """Weights of a chunk from its best IoUs (R, N) with ignored and with other boxes."""
        images = self._detections.images[chunk]
        places = images
        if self._per_class:
            places = place_of(self._detections, self._ground_truth.num_classes, chunk)
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
                covered = box_iou(detections.boxes[rows], truth.boxes[truths], crowd=True)
                inside = (covered >= CROWD_IOU) & (
                    detections.classes[rows] == truth.classes[truths]
                )
                self._weights[:, rows[inside]] = 0
