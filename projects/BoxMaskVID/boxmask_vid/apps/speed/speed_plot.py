"""Plots of the reports of ``tools/benchmark.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from ...errors import InputError
from ..training_plot import save_figure

STAGES = {"rpn": "RPN", "roi_align": "RoIAlign", "troi": "TROI", "box_head": "box head"}


def plot_stages(report: dict, path: Path) -> None:
    """Draw seconds per frame by stage, the formulation of the papers beside ours.

    The report is that of :func:`~boxmask_vid.apps.speed.model_speed.compare_models`.
    """
    names = [name for name in ("paper", "ours", "single_frame") if name in report["stages"]]
    stages = list(dict.fromkeys(key for name in names for key in report["stages"][name]))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    bottom = np.zeros(len(names))
    for stage in stages:
        seconds = [report["stages"][name].get(stage, 0.0) for name in names]
        titles = [name.replace("_", " ") for name in names]
        axes.bar(titles, seconds, bottom=bottom, label=STAGES.get(stage, stage))
        bottom = bottom + seconds
    axes.set_ylabel("seconds per frame")
    axes.legend()
    save_figure(figure, path)


def plot_sweep(reports: Sequence[dict], key: str, path: Path) -> None:
    """Draw time and memory of reports against a config key, e.g. the number of references.

    Raises InputError if a report lacks the key: it is on the command line of all of them.
    """
    if any(key not in report["opts"] for report in reports):
        raise InputError(f"A benchmark was run without {key}: give it to each of them.")
    values = [int(report["opts"][report["opts"].index(key) + 1]) for report in reports]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    labels = {"seconds": "seconds per frame", "peak_gib": "peak memory, GiB"}
    for (measured, label), axis in zip(labels.items(), axes, strict=True):
        for name in ("paper", "ours"):
            if name in reports[0]:
                axis.plot(values, [report[name][measured] for report in reports], "o-", label=name)
        axis.set(xlabel=key, ylabel=label, ylim=(0, None))
        axis.legend()
    save_figure(figure, path)
