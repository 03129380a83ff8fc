"""Scores as tables and as JSON."""

from __future__ import annotations

import math

from tabulate import tabulate

from .motion import MOTION_RANGES
from .scores import Comparison, Metric, Scores


def headline_table(scores: Scores) -> str:
    """A line for each scorer and metric, a column for each motion range, in percent."""
    names = dict.fromkeys((metric.scorer, metric.name) for metric in scores.per_class)
    rows = []
    for scorer, name in names:
        cells = [_cell(scores, Metric(scorer, motion, name)) for motion in MOTION_RANGES]
        rows.append([f"{scorer} {name}", *cells])
    title = "AP in percent, with the 95 % interval of draws of videos where there are any:\n"
    return title + tabulate(rows, ["", *MOTION_RANGES], tablefmt="pipe", disable_numparse=True)


def comparison_table(comparisons: list[Comparison]) -> str:
    """A line for each metric, in percent."""
    order = list(MOTION_RANGES)
    rows = [
        [f"{row.metric.scorer} {row.metric.name}", row.metric.motion, *_comparison_cells(row)]
        for row in sorted(comparisons, key=lambda row: order.index(row.metric.motion))
    ]
    header = ["AP in percent", "motion", "A", "B", "B - A", "95 % interval", "larger than noise"]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def class_table(scores: Scores) -> str:
    """AP50 of each class, a column for each scorer and motion range, in percent."""
    metrics = [metric for metric in scores.per_class if metric.name == "AP50"]
    rows = [
        [name, *(_percent(scores.per_class[metric][label]) for metric in metrics)]
        for label, name in enumerate(scores.class_names)
    ]
    header = ["AP50", *(f"{metric.scorer} {metric.motion}" for metric in metrics)]
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)


def metrics_json(scores: Scores) -> dict:
    """Values from 0 to 1, null for classes and ranges without boxes.

    ``{"coco": {"AP", "AP50", "AP75"}, "ilsvrc": {motion range: {"AP50", "per_class": {name:
    AP50}}}, "mega": as "ilsvrc"}``, of the scorers that ran.
    """
    result: dict[str, dict] = {}
    for metric, per_class in scores.per_class.items():
        value = scores.mean(metric)
        if metric.scorer != "coco":
            values = dict(zip(scores.class_names, per_class.tolist(), strict=True))
            of_range = {"AP50": value, "per_class": values}
            result.setdefault(metric.scorer, {})[metric.motion] = of_range
        elif metric.motion == "all" and metric.name in ("AP", "AP50", "AP75"):
            result.setdefault("coco", {})[metric.name] = value
    return {scorer: without_nan(of_scorer) for scorer, of_scorer in result.items()}


def without_nan(value: object) -> object:
    """A copy for JSON, which has no NaN: None in its place."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def _cell(scores: Scores, metric: Metric) -> str:
    if metric not in scores.per_class:
        return ""
    low, high = scores.interval(metric)
    text = _percent(scores.mean(metric))
    return text if math.isnan(low) else f"{text} [{_percent(low)}, {_percent(high)}]"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"


def _comparison_cells(row: Comparison) -> list[str]:
    if math.isnan(row.first):
        return ["-"] * 5
    return [
        f"{100 * row.first:.2f}",
        f"{100 * row.second:.2f}",
        f"{100 * (row.second - row.first):+.2f}",
        f"[{100 * row.low:+.2f}, {100 * row.high:+.2f}]",
        "yes" if row.is_clear else "no",
    ]
