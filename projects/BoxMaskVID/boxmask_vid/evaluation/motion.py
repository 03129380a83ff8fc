"""Motion IoU: how fast an object moves (Zhu et al., Flow-Guided Feature Aggregation, ICCV 2017)."""

from __future__ import annotations

import logging

import numpy as np

from .ground_truth import GroundTruth
from .matching import paired_iou

logger = logging.getLogger(__name__)

WINDOW = 10  # frames on each side

# closed ranges of the motion IoU
MOTION_RANGES = {"all": (0.0, 1.0), "slow": (0.9, 1.0), "medium": (0.7, 0.9), "fast": (0.0, 0.7)}


def motion_iou(ground_truth: GroundTruth) -> np.ndarray:
    """(A,) mean IoU of each box with those of its track at most 10 frames away, 1 without others.

    The value is (sum + 1e-10) / (n + 1e-10), boxes a pixel wider than their coordinates say. A box
    without a track is a track of its own.
    """
    tracks = ground_truth.tracks.copy()
    alone = tracks < 0
    if alone.any():
        tracks[alone] = tracks.max() + 1 + np.arange(alone.sum())
    videos, frames = ground_truth.videos, ground_truth.frames
    order = np.lexsort((frames, tracks, videos))
    videos, frames, tracks = videos[order], frames[order], tracks[order]
    boxes = ground_truth.boxes[order]
    total, count = np.zeros(len(order)), np.zeros(len(order))
    for shift in range(1, len(order)):
        near = videos[shift:] == videos[:-shift]
        near &= tracks[shift:] == tracks[:-shift]
        near &= frames[shift:] - frames[:-shift] <= WINDOW
        before = np.flatnonzero(near)
        if not len(before):
            break
        # a track that is twice in a frame does not move between the two
        before = before[frames[before] != frames[before + shift]]
        after = before + shift
        overlap = paired_iou(boxes[before], boxes[after], extra=1)
        for rows in (before, after):
            total[rows] += overlap
            count[rows] += 1
    if 2 * (count == 0).sum() > len(count):
        logger.warning(
            f"{(count == 0).sum()} of {len(count)} boxes have no other box of their track within "
            f"{WINDOW} frames ({alone.sum()} have no instance_id): how fast they move is unknown, "
            "and they count as slow, so that 'medium' and 'fast' say little."
        )
    elif alone.any():
        logger.warning(
            f"{alone.sum()} of {len(tracks)} boxes have no instance_id: they count as slow."
        )
    result = np.empty(len(order))
    result[order] = (total + 1e-10) / (count + 1e-10)
    return result


def in_range(motion: np.ndarray, motion_range: tuple[float, float]) -> np.ndarray:
    """Mask of the values in a closed range."""
    low, high = motion_range
    return (motion >= low) & (motion <= high)
