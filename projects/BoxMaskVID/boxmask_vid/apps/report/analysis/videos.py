"""Errors by video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....evaluation.detections import Detections
from ....evaluation.ground_truth import GroundTruth
from .errors import KINDS, MISSED, Errors


@dataclass(frozen=True)
class VideoErrors:
    """Counts for each of V videos."""

    right: np.ndarray  # (V,) true positives
    boxes: np.ndarray  # (V,) to be found
    kinds: np.ndarray  # (V, 6) errors in the order of `KINDS`
    image_errors: np.ndarray  # (I,) boxes not found and wrong detections in each image

    @property
    def f1(self) -> np.ndarray:
        """(V,) NaN for videos without boxes and detections."""
        wrong = self.kinds.sum(axis=1) - self.kinds[:, MISSED]
        total = self.boxes + self.right + wrong
        empty = np.full(len(total), np.nan)
        return np.divide(2.0 * self.right, total, out=empty, where=total > 0)

    def worst(self, count: int) -> list[int]:
        """Up to ``count`` videos with the lowest F1, the lowest first."""
        order = np.argsort(self.f1, kind="stable")
        return order[~np.isnan(self.f1[order])][:count].tolist()


def errors_by_video(
    ground_truth: GroundTruth, detections: Detections, errors: Errors
) -> VideoErrors:
    """Count the errors of each video.

    Args:
        ground_truth: A boxes of V videos.
        detections: D above the score threshold of interest.
        errors: errors of the detections.
    """
    count = len(ground_truth.video_ids)
    matches = errors.matches
    videos = ground_truth.image_videos[detections.images]
    right, wrong = matches.true_positive, errors.kinds >= 0
    kinds = np.zeros((count, len(KINDS)), dtype=np.int64)
    np.add.at(kinds, (videos[wrong], errors.kinds[wrong]), 1)
    kinds[:, MISSED] = np.bincount(ground_truth.videos[errors.missed], minlength=count)
    lost = matches.counted.copy()
    lost[matches.taken[right]] = False
    images = len(ground_truth.image_ids)
    of_image = np.bincount(detections.images[wrong], minlength=images)
    of_image += np.bincount(ground_truth.images[lost], minlength=images)
    return VideoErrors(
        right=np.bincount(videos[right], minlength=count),
        boxes=np.bincount(ground_truth.videos[matches.counted], minlength=count),
        kinds=kinds,
        image_errors=of_image,
    )
