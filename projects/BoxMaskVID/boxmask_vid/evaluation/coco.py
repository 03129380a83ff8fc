"""COCO's scorer, as pycocotools computes it, for motion ranges as for area ranges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matching import (
    Candidates,
    Matches,
    Pairs,
    frame_and_class,
    frame_pairs,
    paired_iou,
    position_in_group,
    take,
)
from .motion import MOTION_RANGES, in_range

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10).tolist()
MAX_DETECTIONS = 100  # of a class in a frame
AREA_RANGES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}


class CocoMatching:
    """Matches of any range at any IoU threshold, from one pass over all pairs of boxes.

    Crowds are ignored.
    """

    def __init__(self, ground_truth: GroundTruth, detections: Detections) -> None:
        self._ground_truth = ground_truth
        self._detections = detections
        self._within_limit = self._first_in_frames()
        self._candidates = self._walk()

    def motion(
        self, motion: np.ndarray, name: str, thresholds: Sequence[float] = IOU_THRESHOLDS
    ) -> Iterator[Matches]:
        """Matches of a motion range at each IoU threshold; boxes outside are ignored.

        Args:
            motion: (A,) from :func:`motion_iou`.
            name: range in ``MOTION_RANGES``.
            thresholds: at least 0.5.
        """
        counted = in_range(motion, MOTION_RANGES[name])
        yield from self._matches(counted, self._within_limit, thresholds)

    def area(self, name: str, thresholds: Sequence[float] = IOU_THRESHOLDS) -> Iterator[Matches]:
        """Matches of an area range; boxes and unmatched detections outside are ignored."""
        limits = AREA_RANGES[name]
        counted = in_range(self._ground_truth.areas, limits)
        inside = in_range(self._detections.boxes[:, 2] * self._detections.boxes[:, 3], limits)
        yield from self._matches(counted, inside & self._within_limit, thresholds)

    def _matches(
        self, counted: np.ndarray, can_be_wrong: np.ndarray, thresholds: Sequence[float]
    ) -> Iterator[Matches]:
        is_crowd = self._ground_truth.is_crowd
        counted = counted & ~is_crowd
        # boxes that count come first; of equal ones pycocotools takes the last
        candidates = self._candidates
        candidates = candidates.ordered(
            -candidates.boxes, -candidates.ious, ~counted[candidates.boxes]
        )
        for threshold in thresholds:
            over = candidates.over(min(threshold, 1 - 1e-10))
            taken = take(over, len(self._detections), is_crowd)
            yield Matches(taken, can_be_wrong & (taken < 0), counted)

    def _first_in_frames(self) -> np.ndarray:
        """(D,) bool: the best ``MAX_DETECTIONS`` of each class in each frame."""
        places = frame_and_class(self._detections, self._ground_truth.num_classes)
        counts = np.bincount(places)
        result = np.ones(len(places), dtype=bool)
        many = np.flatnonzero((counts > MAX_DETECTIONS)[places])
        result[many] = position_in_group(places[many]) < MAX_DETECTIONS
        return result

    def _walk(self) -> Candidates:
        truth, detections = self._ground_truth, self._detections
        found: list[Pairs] = []
        for _, pairs in frame_pairs(truth, detections):
            for rows, truths in pairs:
                same = detections.classes[rows] == truth.classes[truths]
                same &= self._within_limit[rows]
                rows, truths = rows[same], truths[same]
                ious = paired_iou(detections.boxes[rows], truth.boxes[truths])
                crowds = np.flatnonzero(truth.is_crowd[truths])
                if len(crowds):
                    covered = detections.boxes[rows[crowds]], truth.boxes[truths[crowds]]
                    ious[crowds] = paired_iou(*covered, crowd=True)
                possible = np.flatnonzero(ious >= IOU_THRESHOLDS[0])
                found.append((rows[possible], truths[possible], ious[possible]))
        return Candidates.of(found, detections, truth.num_classes)
