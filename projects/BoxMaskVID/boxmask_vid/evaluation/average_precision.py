"""Average precision from matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matching import Matches

RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision

Integral = Callable[[np.ndarray, float], float]


def average_precisions(
    matches: Matches, detections: Detections, ground_truth: GroundTruth, integral: Integral
) -> np.ndarray:
    """(C,) AP of each class, from 0 to 1; NaN for classes without boxes.

    The integral is :func:`all_points` or :func:`at_101_recalls`.
    """
    result = np.full(ground_truth.num_classes, np.nan)
    for label, precision, count in class_precisions(matches, detections, ground_truth):
        result[label] = integral(precision, count)
    return result


def precision_at_recalls(
    matches: Matches, detections: Detections, ground_truth: GroundTruth
) -> np.ndarray:
    """(C, 101) largest precision from each recall on; its mean is COCO's AP. NaN without boxes."""
    curves = np.full((ground_truth.num_classes, len(RECALLS)), np.nan)
    for label, precision, count in class_precisions(matches, detections, ground_truth):
        curves[label] = envelope_at_101_recalls(precision, count)
    return curves


def class_precisions(
    matches: Matches, detections: Detections, ground_truth: GroundTruth
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Class, its precision at each true positive, by falling score, and its number of boxes.

    Classes without boxes are left out.
    """
    classes = ground_truth.classes[matches.counted]
    counts = np.bincount(classes, minlength=ground_truth.num_classes)
    right = matches.true_positive
    for label in np.flatnonzero(counts):
        part = detections.class_slice(label)
        found = np.flatnonzero(right[part])
        wrong = np.cumsum(matches.false_positive[part])[found]
        true = np.arange(1, len(found) + 1)
        yield int(label), true / (true + wrong), int(counts[label])


def all_points(precision: np.ndarray, count: float) -> float:
    """Area under the precision that is never exceeded further right (Pascal VOC 2010).

    Args:
        precision: (P,) at each true positive, by falling score. In between it only falls.
        count: number of boxes to be found.
    """
    return float(_envelope(precision).sum() / count)


def at_101_recalls(precision: np.ndarray, count: float) -> float:
    """COCO's AP: mean of the same envelope at 101 recalls; arguments of :func:`all_points`."""
    return float(envelope_at_101_recalls(precision, count).mean())


def envelope_at_101_recalls(precision: np.ndarray, count: float) -> np.ndarray:
    """(101,) largest precision from each recall on; arguments as in :func:`all_points`."""
    recall = np.arange(1, len(precision) + 1) / count
    padded = np.append(_envelope(precision), 0)
    return padded[np.searchsorted(recall, RECALLS, side="left")]


def mean_over_classes(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _envelope(precision: np.ndarray) -> np.ndarray:
    return np.maximum.accumulate(precision[::-1])[::-1]
