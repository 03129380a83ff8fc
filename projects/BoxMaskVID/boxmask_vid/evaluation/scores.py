"""All scores of a set of detections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .average_precision import all_points, at_101_recalls, average_precisions, mean_over_classes
from .bootstrap import (
    all_points_of_draws,
    at_101_recalls_of_draws,
    bootstrap_average_precision,
    draw_videos,
    interval,
)
from .coco import AREA_RANGES, CocoMatching
from .detections import Detections
from .ground_truth import GroundTruth
from .ilsvrc import match_ilsvrc
from .matches import Matches
from .mega import match_mega
from .motion import MOTION_RANGES, motion_iou

SCORERS = ("coco", "ilsvrc", "mega")
MATCHERS = {"ilsvrc": match_ilsvrc, "mega": match_mega}
DRAWS = 1000


class Metric(NamedTuple):
    """What is measured, e.g. ("ilsvrc", "slow", "AP50")."""

    scorer: str
    motion: str  # range in MOTION_RANGES
    name: str  # AP, AP50, AP75; of coco in range "all" also APs, APm, APl


@dataclass(frozen=True)
class Scores:
    """Every metric, for C classes and in R draws of videos; from 0 to 1, NaN where undefined."""

    class_names: tuple[str, ...]
    per_class: dict[Metric, np.ndarray]  # (C,) each
    draws: dict[Metric, np.ndarray]  # (R,) each; of AP, AP50 and AP75

    def mean(self, metric: Metric) -> float:
        """Over the classes that have boxes."""
        return mean_over_classes(self.per_class[metric])

    def interval(self, metric: Metric) -> tuple[float, float]:
        """95 % interval of the mean; NaN without draws."""
        return interval(self.draws.get(metric, np.zeros(0)))


def score(
    ground_truth: GroundTruth,
    detections: Detections,
    *,
    scorers: Sequence[str] = SCORERS,
    draws: int = DRAWS,
    motion: np.ndarray | None = None,
) -> Scores:
    """Run scorers.

    Args:
        ground_truth: A boxes.
        detections: of its images.
        scorers: some of ``SCORERS``.
        draws: R, for intervals; 0 for none.
        motion: (A,) motion IoU of the boxes; None where all of their tracks are there.
    """
    if motion is None:
        motion = motion_iou(ground_truth)
    times = draw_videos(ground_truth, draws) if draws else None
    data = _Data(ground_truth, detections, times)
    result = Scores(ground_truth.class_names, {}, {})
    for scorer in scorers:
        parts = _coco(data, motion) if scorer == "coco" else _all_points(data, motion, scorer)
        for metric, per_class, of_draws in parts:
            result.per_class[metric] = per_class
            if of_draws is not None:
                result.draws[metric] = of_draws
    return result


class _Data(NamedTuple):
    ground_truth: GroundTruth
    detections: Detections
    times: np.ndarray | None  # (R, V)

    def averages(self, matches: Matches, coco: bool) -> tuple[np.ndarray, np.ndarray | None]:
        integral = at_101_recalls if coco else all_points
        truth, detections, times = self
        per_class = average_precisions(matches, detections, truth, integral)
        if times is None:
            return per_class, None
        of_draws = at_101_recalls_of_draws if coco else all_points_of_draws
        return per_class, bootstrap_average_precision(matches, detections, truth, times, of_draws)


_Part = tuple[Metric, np.ndarray, np.ndarray | None]


def _all_points(data: _Data, motion: np.ndarray, scorer: str) -> Iterator[_Part]:
    for name, matches in MATCHERS[scorer](data.ground_truth, data.detections, motion):
        yield Metric(scorer, name, "AP50"), *data.averages(matches, coco=False)


def _coco(data: _Data, motion: np.ndarray) -> Iterator[_Part]:
    matching = CocoMatching(data.ground_truth, data.detections)
    for name in MOTION_RANGES:
        every = [data.averages(each, coco=True) for each in matching.motion(motion, name)]
        per_class = np.stack([each for each, _ in every])
        of_draws = None if data.times is None else np.stack([each for _, each in every])
        for metric, rows in (("AP", slice(None)), ("AP50", [0]), ("AP75", [5])):
            drawn = None if of_draws is None else of_draws[rows].mean(axis=0)
            yield Metric("coco", name, metric), per_class[rows].mean(axis=0), drawn
    without_draws = data._replace(times=None)
    for name in AREA_RANGES:
        every = [without_draws.averages(each, coco=True)[0] for each in matching.area(name)]
        yield Metric("coco", "all", f"AP{name[0]}"), np.mean(every, axis=0), None
