"""Tables of a report, as rows of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...evaluation.scores import SCORERS, Metric
from .analysis.errors import KINDS, MISSED
from .report_data import ReportData

BLUE, ORANGE = "31, 119, 180", "213, 94, 0"
METRICS = [("coco", "AP"), ("coco", "AP50"), ("coco", "AP75"), ("ilsvrc", "AP50"), ("mega", "AP50")]
STRIPS = 12  # tracks
STRIP_WIDTH = 600  # pixels, as in the template
KIND_MEANINGS = {
    "classification": "right place, wrong class",
    "localisation": "right class, but an IoU with the object from 0.1 to 0.5",
    "both": "wrong class, and an IoU with the object from 0.1 to 0.5",
    "duplicate": "on an object that was found already",
    "background": "no object there (IoU up to 0.1)",
    "missed": "an object not found, without an error of class or location about it",
}


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    note: str = ""  # in small letters after the text
    background: str = ""  # CSS colour


class Table(NamedTuple):
    """Rows with a name each, heads of their columns, and heads that span columns."""

    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    spans: Sequence[tuple[str, int]] = ()


class Strip(NamedTuple):
    """A track as a strip of frames."""

    class_name: str
    track: str
    runs: Sequence[tuple[float, float, bool]]  # x and width in pixels, found or lost
    summary: str


def percent(value: float) -> str:
    """``0.1234`` as ``12.3``, a dash for NaN."""
    return number(100 * value, 1)


def number(value: float, digits: int = 3) -> str:
    """A number with so many decimals, a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def integer(value: int) -> str:
    """``12345`` as ``12,345``."""
    return f"{value:,}"


def cards(data: ReportData) -> list[tuple[str, str, str]]:
    """The most important figures: title, value and what is below it."""
    result = []
    for scorer, name in METRICS:
        if name != "AP75":
            title = name if scorer == "coco" else f"{name}, {scorer}"
            metric = Metric(scorer, "all", name)
            low, high = map(percent, data.scores.interval(metric))
            result.append((title, percent(data.scores.mean(metric)), f"{low} to {high}"))
    threshold = f"at score ≥ {number(data.point.threshold, 2)}"
    for title, share in (("precision", data.point.precision), ("recall", data.point.recall)):
        result.append((title, percent(share), threshold))
    return result


def scores(data: ReportData) -> Table:
    """AP by scorer and motion."""
    ranges = data.motion_ranges
    rows = [
        (f"{scorer} {name}", [_score(data, Metric(scorer, motion, name)) for motion in ranges])
        for scorer, name in METRICS
    ]
    heads = []
    for name in ranges:
        boxes, _ = data.gains[("", "all objects") if name == "all" else ("motion", name)]
        heads.append(f"{name} ({integer(boxes)} objects)")
    return Table(["", *heads], rows)


def classes(data: ReportData) -> Table:
    """AP of each class."""
    ranges, truth = data.motion_ranges, data.ground_truth
    metrics = [Metric(scorer, motion, "AP50") for scorer in SCORERS for motion in ranges]
    metrics = [Metric("coco", "all", "AP"), *metrics]
    objects = np.bincount(truth.classes[~truth.is_crowd], minlength=truth.num_classes)
    rows = []
    for label, name in enumerate(truth.class_names):
        values = [float(data.scores.per_class[metric][label]) for metric in metrics]
        cells = [_heat(value, value, BLUE) for value in values]
        rows.append((name, [Cell(integer(objects[label])), *cells]))
    spans = [(f"{scorer} AP50", len(ranges)) for scorer in SCORERS]
    heads = ["class", "objects", "AP", *(ranges * len(SCORERS))]
    return Table(heads, rows, [("", 1), ("", 1), ("coco", 1), *spans])


def errors(data: ReportData) -> Table:
    """Meaning, number and cost of each kind of error."""
    kinds = data.confident_errors.kinds
    numbers = np.bincount(kinds[kinds >= 0], minlength=len(KINDS))
    numbers[MISSED] = data.confident_errors.missed.sum()
    costs = data.gains["", "all objects"][1].gains
    rows = [
        (name, [Cell(KIND_MEANINGS[name]), Cell(integer(found)), Cell(percent(cost))])
        for name, found, cost in zip(KINDS, numbers, costs, strict=True)
    ]
    return Table(["kind", "what it is", "how many", "AP50 gained"], rows)


def gains(data: ReportData) -> Table:
    """Cost of each kind of error in groups of objects."""
    groups = data.gains.items()
    largest = np.nanmax([*(gain for _, (_, delta) in groups for gain in delta.gains), 1e-9])
    rows = []
    for (title, name), (boxes, delta) in groups:
        cells = [_heat(gain, gain / largest, ORANGE) for gain in delta.gains]
        cells = [Cell(integer(boxes)), Cell(percent(delta.ap50)), *cells]
        rows.append((f"{title}: {name}" if title else name, cells))
    return Table(["objects", "how many", "AP50", *KINDS], rows)


def steadiness(data: ReportData) -> Table:
    """Stability along tracks, by motion and class."""
    result = data.stability
    groups = {"all tracks": np.ones(len(result), dtype=bool)}
    for name, group in data.groups["motion"].items():
        groups[f"motion: {name}"] = group[result.first_boxes]
    for label, name in enumerate(data.ground_truth.class_names):
        groups[f"class: {name}"] = result.classes == label
    rows = []
    for name, group in groups.items():
        found = [result.found[track] for track in np.flatnonzero(group)]
        share = float(np.concatenate(found).mean()) if found else float("nan")
        columns = (result.fragment, result.centre, result.scale)
        means = [_mean(column[group]) for column in columns]
        texts = [integer(group.sum()), percent(share), *map(number, [*means, sum(means)])]
        rows.append((name, [Cell(text) for text in texts]))
    heads = ["", "tracks", "frames found in %", "fragment", "centre", "scale", "sum"]
    return Table(heads, rows)


def strips(data: ReportData) -> list[Strip]:
    """Tracks with the largest fragment errors, of those that change at all."""
    fragment = np.nan_to_num(data.stability.fragment)
    lengths = np.array([len(found) for found in data.stability.found], dtype=int)
    chosen = np.lexsort((-lengths, -fragment))[:STRIPS]
    return [_strip(data, track) for track in chosen[fragment[chosen] > 0]]


def video_summary(data: ReportData, video: int) -> str:
    """F1 of a video, and its errors."""
    result = data.videos
    numbers = zip(KINDS, result.kinds[video], strict=True)
    kinds = ", ".join(f"{number} {name}" for name, number in numbers if number)
    return (
        f"F1 {percent(result.f1[video])}: {result.right[video]} of {result.boxes[video]} objects "
        f"found; errors: {kinds or 'none'}"
    )


def _score(data: ReportData, metric: Metric) -> Cell:
    low, high = data.scores.interval(metric)
    interval = "" if np.isnan(low) else f"{percent(low)} to {percent(high)}"
    return Cell(percent(data.scores.mean(metric)), interval)


def _heat(value: float, share: float, colour: str) -> Cell:
    """A percentage, coloured by its share of the largest value."""
    if math.isnan(share):
        return Cell(percent(value))
    strength = 0.6 * min(max(share, 0), 1)
    return Cell(percent(value), background=f"rgba({colour}, {strength:.2f})")


def _mean(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN without any."""
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))


def _strip(data: ReportData, track: int) -> Strip:
    result = data.stability
    found = result.found[track]
    width = STRIP_WIDTH / len(found)
    changes = np.flatnonzero(np.diff(found)) + 1
    runs = [
        (round(start * width, 2), round((end - start) * width, 2), bool(found[start]))
        for start, end in pairwise([0, *changes.tolist(), len(found)])
    ]
    return Strip(
        data.ground_truth.class_names[result.classes[track]],
        f"{data.video_name(result.videos[track])}, track {result.tracks[track]}",
        runs,
        f"{found.sum()} of {len(found)} frames, {len(changes)} changes",
    )
