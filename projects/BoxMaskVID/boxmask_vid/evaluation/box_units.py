"""Warnings about boxes of detections that are not ``x, y, width, height`` in pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matching import frame_pairs, paired_iou

SAMPLE = 20_000  # detections that are compared with the ground truth
FEWEST = 0.05  # share of the sample that must fit in another reading
BEYOND = 1.0  # pixels that a box may end outside its image


def unit_warnings(detections: Detections, ground_truth: GroundTruth) -> Iterator[str]:
    """Sentences about boxes that seem to be corners, centres or shares, or are outside images.

    Corners and centres are found by the number of detections that overlap a box of their frame by
    half: as another reading has many of them, and ``x, y, width, height`` less than half as many.
    """
    count, boxes = len(detections), detections.boxes
    if not count:
        return
    small = int((boxes[:, 2:] < 1).any(axis=1).sum())
    if small and boxes.max() <= 2 and small > count / 2:
        yield (
            f"{small} of {count} boxes are below a pixel, and no number is above 2: these seem to "
            "be shares of the image, and bbox has pixels: multiply them by width and height."
        )
        return
    if small:
        yield f"{small} of {count} boxes are below a pixel wide or high: bbox has pixels."
    reading = _other_reading(detections, ground_truth)
    if reading:
        yield reading
    sizes = ground_truth.image_sizes[detections.images][:, ::-1]
    beyond = (boxes[:, :2] < -BEYOND) | (boxes[:, :2] + boxes[:, 2:] > sizes + BEYOND)
    outside = int(beyond.any(axis=1).sum())
    if outside:
        yield (
            f"{outside} of {count} boxes reach beyond their images: bbox is x, y, width, height in "
            "pixels of the images of the ground truth."
        )


def _other_reading(detections: Detections, ground_truth: GroundTruth) -> str | None:
    rows = np.unique(np.linspace(0, len(detections) - 1, SAMPLE).astype(np.int64))
    sample = detections[rows]
    first, second = sample.boxes[:, :2], sample.boxes[:, 2:]
    readings = {
        "corners x1, y1, x2, y2": (first, second - first),
        "centre x, centre y, width, height": (first - second / 2, second),
    }
    fitting = _num_fitting(sample, ground_truth)
    for name, (corner, sides) in readings.items():
        read = replace(sample, boxes=np.hstack([corner, np.maximum(sides, 0)]))
        count = _num_fitting(read, ground_truth)
        if count > max(2 * fitting, FEWEST * len(rows)):
            return (
                f"The boxes seem to be {name}: read so, {count} of {len(rows)} overlap a box of "
                f"the ground truth by half, as x, y, width, height {fitting}: convert them."
            )
    return None


def _num_fitting(detections: Detections, ground_truth: GroundTruth) -> int:
    """Number of detections that overlap a box of their frame by half, of whatever class."""
    fits = np.zeros(len(detections), dtype=bool)
    for _, pairs in frame_pairs(ground_truth, detections):
        for rows, truths in pairs:
            overlap = paired_iou(detections.boxes[rows], ground_truth.boxes[truths])
            fits[rows[overlap >= 0.5]] = True
    return int(fits.sum())
