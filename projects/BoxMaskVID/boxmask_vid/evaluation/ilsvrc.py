"""The scorer of FGFA, SELSA and YOLOV: ILSVRC's matching with motion ranges."""

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
    matching = MotionMatching(ground_truth, detections, motion, ranges, per_class=False)
    corners, sides = ground_truth.boxes[:, :2], ground_truth.boxes[:, 2:]
    sides = (corners + sides) - corners + 1
    thresholds = np.minimum(0.5, sides.prod(axis=1) / (sides + 10).prod(axis=1))
    candidates = matching.walk(_overlap, thresholds)
    candidates = candidates.ordered(candidates.boxes, -candidates.ious)
    taken = take(candidates, len(detections), np.zeros(len(ground_truth), dtype=bool))
    yield from matching.matches(lambda _: taken)


def _overlap(boxes: np.ndarray, truths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return box_iou(boxes, truths, extra=1)
