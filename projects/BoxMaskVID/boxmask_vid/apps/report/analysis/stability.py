"""Steadiness of detections along tracks (Zhang and Wang, "On the Stability of Video Detection and
Tracking", 2017, section 3). T tracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from ....evaluation.matching import Matches


@dataclass(frozen=True)
class TrackStability:
    """Errors of each track; NaN for tracks that are too short.

    A track is an object from its first to its last frame, as far as it has boxes.
    """

    videos: np.ndarray  # (T,) position in `GroundTruth.video_ids`
    tracks: np.ndarray  # (T,) instance ids
    classes: np.ndarray  # (T,)
    first_boxes: np.ndarray  # (T,) the first box of each, position in the ground truth
    found: tuple[np.ndarray, ...]  # T times (L,) bool: found in each of its frames
    fragment: np.ndarray  # (T,) changes between found and lost, over L - 1
    centre: np.ndarray  # (T,) std of dx / w + std of dy / h of the boxes that are found
    scale: np.ndarray  # (T,) std of the size ratio + std of the ratio of aspects

    def __len__(self) -> int:
        return len(self.tracks)


def track_stability(
    ground_truth: GroundTruth, detections: Detections, matches: Matches
) -> TrackStability:
    """Follow each track through its frames, with detections above the score threshold of interest.

    Boxes without a track, and ignored ones, are left out.
    """
    finder = np.full(len(ground_truth), -1)
    right = np.flatnonzero(matches.true_positive)
    finder[matches.taken[right]] = right
    boxes = np.flatnonzero((ground_truth.tracks >= 0) & matches.counted)
    keys = np.column_stack([ground_truth.videos[boxes], ground_truth.tracks[boxes]])
    order = np.lexsort((ground_truth.frames[boxes], keys[:, 1], keys[:, 0]))
    boxes, keys = boxes[order], keys[order]
    starts = np.flatnonzero((np.diff(keys, axis=0, prepend=keys[:1] - 1) != 0).any(axis=1))
    parts = np.split(boxes, starts[1:]) if len(boxes) else []
    rows = [_errors_of_track(ground_truth, detections, part, finder[part]) for part in parts]
    fragment, centre, scale = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    first_boxes = boxes[starts]
    return TrackStability(
        videos=ground_truth.videos[first_boxes],
        tracks=ground_truth.tracks[first_boxes],
        classes=ground_truth.classes[first_boxes],
        first_boxes=first_boxes,
        found=tuple(finder[part] >= 0 for part in parts),
        fragment=fragment,
        centre=centre,
        scale=scale,
    )


def _errors_of_track(
    ground_truth: GroundTruth, detections: Detections, boxes: np.ndarray, finder: np.ndarray
) -> tuple[float, float, float]:
    """Fragment, centre and scale error of a track's boxes and what finds them (-1: nothing)."""
    found = finder >= 0
    fragment = np.diff(found).mean() if len(found) > 1 else np.nan
    if found.sum() < 2:
        return fragment, np.nan, np.nan
    truth, given = ground_truth.boxes[boxes[found]], detections.boxes[finder[found]]
    size, given_size = truth[:, 2:], given[:, 2:]
    offset = (given[:, :2] + given_size / 2 - truth[:, :2] - size / 2) / size
    ratio = given_size / size
    scale = np.sqrt(ratio.prod(axis=1))
    aspect = ratio[:, 0] / ratio[:, 1]
    return fragment, offset.std(axis=0).sum(), scale.std() + aspect.std()
