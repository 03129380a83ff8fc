"""Groups of boxes by motion, size and occlusion."""

from __future__ import annotations

import numpy as np

from ....evaluation.coco import AREA_RANGES
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.motion import MOTION_RANGES, in_range


def box_groups(ground_truth: GroundTruth, motion: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Members of each group, (A,) bool, by motion, size and occlusion.

    Args:
        ground_truth: A boxes.
        motion: (A,) from :func:`motion_iou`.

    Returns:
        no "motion" if no box has a track, no "occlusion" if no box has an ``occluded`` flag. Boxes
        without an ``occluded`` flag are in neither of its groups.
    """
    groups = {}
    if (ground_truth.tracks >= 0).any():
        groups["motion"] = {
            name: in_range(motion, limits)
            for name, limits in MOTION_RANGES.items()
            if name != "all"
        }
    areas = ground_truth.areas
    groups["size"] = {name: in_range(areas, limits) for name, limits in AREA_RANGES.items()}
    if (ground_truth.occluded >= 0).any():
        groups["occlusion"] = {
            "occluded": ground_truth.occluded == 1,
            "not occluded": ground_truth.occluded == 0,
        }
    return groups
