"""Comparison of two sets of detections: a difference, or only the choice of videos?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tabulate import tabulate

from .bootstrap import interval
from .motion import MOTION_RANGES
from .scores import Metric, Scores


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

    Args:
        first, second: scores with the same ground truth, scorers and number of draws.
    """
    return [
        Comparison(
            metric,
            first.mean(metric),
            second.mean(metric),
            *interval(second.draws[metric] - draws),
        )
        for metric, draws in first.draws.items()
    ]


def comparison_table(comparisons: list[Comparison]) -> str:
    """A line for each metric, in percent."""
    order = list(MOTION_RANGES)
    rows = [
        [f"{row.metric.scorer} {row.metric.name}", row.metric.motion, *_cells(row)]
        for row in sorted(comparisons, key=lambda row: order.index(row.metric.motion))
    ]
    header = ["AP in percent", "motion", "A", "B", "B - A", "95 % interval", "larger than noise"]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def _cells(row: Comparison) -> list[str]:
    if math.isnan(row.first):
        return ["-"] * 5
    return [
        f"{100 * row.first:.2f}",
        f"{100 * row.second:.2f}",
        f"{100 * (row.second - row.first):+.2f}",
        f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}]",
        "yes" if row.is_clear else "no",
    ]
