"""Detections of a frame, between the model and the scorers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from detectron2.structures import BoxMode, Instances

from .detections import Detections
from .ground_truth import GroundTruth


class FrameDetections(NamedTuple):
    """N detections."""

    image_id: int
    classes: np.ndarray  # (N,) int64, from 0
    scores: np.ndarray  # (N,) float64
    boxes: np.ndarray  # (N, 4) float64: x, y, width, height in pixels

    @classmethod
    def of(cls, image_id: int, instances: Instances) -> FrameDetections:
        """Detections from the output of a model."""
        instances = instances.to("cpu")
        boxes = instances.pred_boxes.tensor.detach()
        boxes = BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
        return cls(
            image_id,
            instances.pred_classes.numpy(),
            instances.scores.detach().double().numpy(),
            boxes.double().numpy(),
        )


def joined(frames: Iterable[FrameDetections]) -> tuple[np.ndarray, ...]:
    """Image ids (F,), numbers of detections (F,), classes (D,), scores (D,) and boxes (D, 4)."""
    frames = list(frames)
    return (
        np.array([frame.image_id for frame in frames], dtype=np.int64),
        np.array([len(frame.scores) for frame in frames], dtype=np.int64),
        np.concatenate([np.zeros(0, np.int64), *(frame.classes for frame in frames)]),
        np.concatenate([np.zeros(0), *(frame.scores for frame in frames)]),
        np.concatenate([np.zeros((0, 4)), *(frame.boxes for frame in frames)]),
    )


def ordered_detections(
    parts: Sequence[tuple[np.ndarray, ...]], ground_truth: GroundTruth
) -> Detections:
    """Detections from :func:`joined` of several processes, however the frames were divided."""
    image_ids, counts, classes, scores, boxes = map(np.concatenate, zip(*parts, strict=True))
    images = np.repeat(np.searchsorted(ground_truth.image_ids, image_ids), counts)
    return Detections.ordered(images, classes, scores, boxes)
