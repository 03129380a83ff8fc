"""From matches to average precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .detections import Detections
from .ground_truth import GroundTruth
from .matches import Matches, positives

RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision

Integral = Callable[[np.ndarray, float], float]


def average_precisions(
    matches: Matches, detections: Detections, ground_truth: GroundTruth, integral: Integral
) -> np.ndarray:
    """(C,) AP of each class, from 0 to 1; NaN where there is no box to be found.

    Args:
        matches: of a scorer.
        detections: that were matched.
        ground_truth: that they were matched with.
        integral: :func:`all_points` or :func:`at_101_recalls`.
    """
    result = np.full(ground_truth.num_classes, np.nan)
    for each, precision, count in class_precisions(matches, detections, ground_truth):
        result[each] = integral(precision, count)
    return result


def class_precisions(
    matches: Matches, detections: Detections, ground_truth: GroundTruth
) -> Iterator[tuple[int, np.ndarray, int]]:
    """Class, its precision at each true positive, by falling score, and its boxes to be found.

    Classes without any are left out. Arguments as in :func:`average_precisions`.
    """
    counts = positives(matches, ground_truth)
    right = matches.true_positive
    for each in np.flatnonzero(counts):
        part = detections.class_slice(each)
        found = np.flatnonzero(right[part])
        wrong = np.cumsum(matches.false_positive[part])[found]
        true = np.arange(1, len(found) + 1)
        yield int(each), true / (true + wrong), int(counts[each])


def all_points(precision: np.ndarray, count: float) -> float:
    """Area under the precision that is never exceeded further right (Pascal VOC 2010).

    Args:
        precision: (P,) at each true positive, by falling score. In between it only falls.
        count: boxes to be found.
    """
    return float(_envelope(precision).sum() / count)


def at_101_recalls(precision: np.ndarray, count: float) -> float:
    """COCO's: the mean of the same envelope at 101 recalls; arguments as in :func:`all_points`."""
    return float(envelope_at_101_recalls(precision, count).mean())


def envelope_at_101_recalls(precision: np.ndarray, count: float) -> np.ndarray:
    """(101,) largest precision from each recall on; arguments as in :func:`all_points`."""
    recall = np.arange(1, len(precision) + 1) / count
    padded = np.append(_envelope(precision), 0)
    return padded[np.searchsorted(recall, RECALLS, side="left")]


def mean_over_classes(values: np.ndarray) -> float:
    """Mean of those that are not NaN; NaN if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _envelope(precision: np.ndarray) -> np.ndarray:
    return np.maximum.accumulate(precision[::-1])[::-1]
