"""The scorer of MEGA, RDN and DiffusionVID."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .candidates import take
from .detections import Detections
from .ground_truth import GroundTruth
from .iou import box_iou
from .matches import Matches
from .motion import MOTION_RANGES
from .motion_matching import MotionMatching


def match_mega(
    ground_truth: GroundTruth,
    detections: Detections,
    motion: np.ndarray,
    ranges: dict[str, tuple[float, float]] = MOTION_RANGES,
) -> Iterator[tuple[str, Matches]]:
    """Match detections at IoU 0.5; only boxes of its class weigh a detection's error.

    Arguments and results are those of :func:`match_ilsvrc`.
    """
    matching = MotionMatching(ground_truth, detections, motion, ranges, per_class=True)
    candidates = matching.walk(_overlap, np.full(len(ground_truth), 0.5))
    reusable = np.zeros(len(ground_truth), dtype=bool)

    def taken_in(each: int) -> np.ndarray:
        # of equal IoUs: the first box that counts, else the last one
        counts = matching.counted[each][candidates.boxes]
        place = np.where(counts, candidates.boxes - len(ground_truth), -candidates.boxes)
        return take(candidates.ordered(place, -candidates.ious), len(detections), reusable)

    yield from matching.matches(taken_in)


def _overlap(boxes: np.ndarray, truths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """IoU with boxes clipped to [0, W - 1] x [0, H - 1]."""
    last = sizes[:, ::-1] - 1
    first = np.clip(truths[:, :2], 0, last)
    end = np.clip(truths[:, :2] + truths[:, 2:], 0, last)
    return box_iou(boxes, np.concatenate([first, end - first], axis=1), extra=2)
