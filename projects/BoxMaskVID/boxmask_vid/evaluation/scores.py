"""All scores of a set of detections."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import InputError
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
from .matching import Matches
from .motion import MOTION_RANGES, motion_iou
from .motion_scorers import match_ilsvrc, match_mega

logger = logging.getLogger(__name__)

SCORERS = ("coco", "ilsvrc", "mega")
MATCHERS = {"ilsvrc": match_ilsvrc, "mega": match_mega}
COCO_METRICS = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}  # of IOU_THRESHOLDS
DRAWS = 1000


class Metric(NamedTuple):
    """Name of a measure, e.g. ("ilsvrc", "slow", "AP50")."""

    scorer: str
    motion: str  # range in MOTION_RANGES
    name: str  # AP, AP50, AP75; of coco in range "all" also APs, APm, APl


@dataclass(frozen=True)
class Scores:
    """Every metric, for C classes and in R draws of videos; from 0 to 1, NaN where undefined."""

    class_names: tuple[str, ...]
    per_class: dict[Metric, np.ndarray]  # of (C,)
    draws: dict[Metric, np.ndarray]  # of (R,); AP50, and coco's AP and AP75 of all boxes

    def mean(self, metric: Metric) -> float:
        """Mean over the classes that have boxes."""
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
        detections: detections in its images.
        scorers: one or more of ``SCORERS``.
        draws: R, for intervals; 0 for no intervals.
        motion: (A,) motion IoU of the boxes; None to compute it, where their tracks are complete.

    Raises:
        InputError: if a scorer is unknown, or ``draws`` is negative.
    """
    check_scorers(scorers, draws)
    if motion is None:
        motion = motion_iou(ground_truth)
    if len(ground_truth) and ground_truth.is_crowd.all():
        logger.warning(
            f"All {len(ground_truth)} boxes of the ground truth are crowds (iscrowd 1), which are "
            "ignored: there is nothing to find, and every AP is undefined."
        )
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


def score_images(
    ground_truth: GroundTruth,
    detections: Detections,
    image_ids: np.ndarray,
    *,
    scorers: Sequence[str] = SCORERS,
    draws: int = DRAWS,
) -> Scores:
    """Run scorers on some of the images, in any order; motion is computed from all images.

    Detections in other images do not count. Arguments and errors as in :func:`score`.
    """
    part, kept = ground_truth.of_images(image_ids)
    places = np.full(len(ground_truth.image_ids), -1)
    places[np.searchsorted(ground_truth.image_ids, part.image_ids)] = np.arange(len(part.image_ids))
    detections, motion = detections.on_images(places), motion_iou(ground_truth)[kept]
    return score(part, detections, scorers=scorers, draws=draws, motion=motion)


@dataclass(frozen=True)
class Comparison:
    """A metric of two sets of detections, from 0 to 1; NaN where it is undefined."""

    metric: Metric
    first: float
    second: float
    low: float  # 95 % interval of second - first in the same draws of videos
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        return self.low > 0 or self.high < 0


def compare(first: Scores, second: Scores) -> list[Comparison]:
    """Paired bootstrap of all metrics that have draws.

    Both scores have the same ground truth, scorers and number of draws.
    """
    return [
        Comparison(
            metric, first.mean(metric), second.mean(metric), *interval(second.draws[metric] - draws)
        )
        for metric, draws in first.draws.items()
    ]


def check_scorers(scorers: Sequence[str], draws: int) -> None:
    """Check options of :func:`score`.

    Raises:
        InputError: if a scorer is unknown, or ``draws`` is negative.
    """
    if not scorers or set(scorers) - set(SCORERS):
        raise InputError(
            f"The scorers (TEST.VID.SCORERS) are {tuple(scorers)}: name one or more of {SCORERS}."
        )
    if draws < 0:
        raise InputError(
            f"The number of draws (TEST.VID.BOOTSTRAP_DRAWS) is {draws}: use 0 for no intervals, "
            f"or {DRAWS}."
        )


class _Data(NamedTuple):
    ground_truth: GroundTruth
    detections: Detections
    times: np.ndarray | None  # (R, V)

    def averages(
        self, matches: Matches, *, coco: bool, drawn: bool = True
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """AP of each class (C,), and its mean in each draw (R,)."""
        integral = at_101_recalls if coco else all_points
        truth, detections, times = self
        per_class = average_precisions(matches, detections, truth, integral)
        if times is None or not drawn:
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
        parts = [
            data.averages(matches, coco=True, drawn=number == 0 or name == "all")
            for number, matches in enumerate(matching.motion(motion, name))
        ]
        for metric, thresholds in COCO_METRICS.items():
            values, draws = zip(*parts[thresholds], strict=True)
            known = [of_draws for of_draws in draws if of_draws is not None]
            mean_draws = np.mean(known, axis=0) if len(known) == len(draws) else None
            yield Metric("coco", name, metric), np.mean(values, axis=0), mean_draws
    for name in AREA_RANGES:
        parts = [data.averages(part, coco=True, drawn=False) for part in matching.area(name)]
        values = [per_class for per_class, _ in parts]
        yield Metric("coco", "all", f"AP{name[0]}"), np.mean(values, axis=0), None
