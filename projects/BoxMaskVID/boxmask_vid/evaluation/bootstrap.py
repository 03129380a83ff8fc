"""Variation of a score over other videos (Efron, Bootstrap Methods, Ann. Stat. 1979).

Videos are drawn with replacement; the frames of a video are too alike to be drawn one by one.
Matches are weighted, not computed again: the weight of a false positive stays that in the whole
data set.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .average_precision import RECALLS
from .detections import Detections
from .ground_truth import GroundTruth
from .matching import Matches

BINS = 500  # of a class, with equally many true positives; exact up to that number

Integral = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def draw_videos(ground_truth: GroundTruth, draws: int, seed: int = 0) -> np.ndarray:
    """(R, V) count of each video in each draw; 0 for videos without images."""
    present = np.unique(ground_truth.image_videos)
    times = np.zeros((draws, len(ground_truth.video_ids)))
    shares = np.full(len(present), 1 / len(present))
    times[:, present] = np.random.default_rng(seed).multinomial(len(present), shares, size=draws)
    return times


def bootstrap_average_precision(
    matches: Matches,
    detections: Detections,
    ground_truth: GroundTruth,
    times: np.ndarray,
    integral: Integral,
) -> np.ndarray:
    """(R,) mean AP over classes in each draw; NaN for draws without boxes.

    ``times`` (R, V) is from :func:`draw_videos`; the integral is :func:`all_points_of_draws` or
    :func:`at_101_recalls_of_draws`.
    """
    num_videos = times.shape[1]
    counted = matches.counted
    boxes = np.zeros((num_videos, ground_truth.num_classes))
    np.add.at(boxes, (ground_truth.videos[counted], ground_truth.classes[counted]), 1)
    boxes = times @ boxes
    right = matches.true_positive
    total, known = np.zeros(len(times)), np.zeros(len(times))
    for label in np.flatnonzero(boxes.any(axis=0)):
        part = detections.class_slice(label)
        of_class = right[part]
        bins, kept, size = _bins(of_class)
        places = ground_truth.image_videos[detections.images[part][kept]] * size + bins
        count = num_videos * size
        true = np.bincount(places, of_class[kept], minlength=count).reshape(num_videos, size)
        wrong = matches.false_positive[part][kept]
        false = np.bincount(places, wrong, minlength=count).reshape(num_videos, size)
        present = boxes[:, label] > 0
        values = integral(times[present] @ true, times[present] @ false, boxes[present, label])
        total[present] += values
        known += present
    return np.divide(total, known, out=np.full(len(times), np.nan), where=known > 0)


def all_points_of_draws(true: np.ndarray, false: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(R,) area under the envelope of the precision.

    Args:
        true, false: (R, B) true positives and weights of false positives in each bin of scores.
        boxes: (R,) boxes to be found.
    """
    return (_envelope(true, false) * true).sum(axis=1) / boxes


def at_101_recalls_of_draws(true: np.ndarray, false: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(R,) mean of the envelope at 101 recalls; arguments as :func:`all_points_of_draws`."""
    draws = np.arange(len(true))[:, None]
    recall = true.cumsum(axis=1) / boxes[:, None]
    # one sorted row of all draws, each between 2 r and 2 r + 1
    ends = np.append(recall, np.full((len(true), 1), 1.5), axis=1) + 2 * draws
    wanted = (RECALLS - 1e-9) + 2 * draws
    reached = np.searchsorted(ends.ravel(), wanted.ravel(), side="left")
    envelope = np.append(_envelope(true, false), 0 * draws, axis=1)
    return envelope.ravel()[reached].reshape(wanted.shape).mean(axis=1)


def interval(draws: np.ndarray) -> tuple[float, float]:
    """Interval that 95 % of the draws lie in; NaN without draws."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def _bins(right: np.ndarray) -> tuple[np.ndarray, slice, int]:
    """Bins of a class's detections up to the last true positive, their slice, and their number.

    Each bin ends with a true positive, because precision only falls in between.
    """
    count = int(right.sum())
    size = max(1, min(BINS, count))
    if not count:
        return np.zeros(0, np.int64), slice(0, 0), size
    before = np.cumsum(right)
    end = int(np.searchsorted(before, count)) + 1
    return (before - right)[:end] * size // count, slice(0, end), size


def _envelope(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    found = true.cumsum(axis=1)
    given = found + false.cumsum(axis=1)
    precision = np.divide(found, given, out=np.zeros_like(found), where=given > 0)
    return np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
