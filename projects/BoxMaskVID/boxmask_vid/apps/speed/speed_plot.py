"""Plots of the reports of ``tools/benchmark.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from ...errors import InputError
from ..training_plot import save_figure

SIDES = {"paper": "as the papers write it", "ours": "accelerated", "single_frame": "single frame"}
STAGES = {
    "backbone": "backbone",
    "rpn": "RPN",
    "roi_align": "RoIAlign",
    "troi": "Temporal RoI Align",
    "box_head": "box head",
    "rest": "rest",
}
KEYS = {
    "MODEL.VID.TEST.NUM_REFERENCES": "reference frames",
    "MODEL.RPN.POST_NMS_TOPK_TEST": "proposals",
}


def plot_stages(report: dict, path: Path) -> None:
    """Draw seconds per frame by stage, the formulation of the papers beside ours.

    The report is that of :func:`~boxmask_vid.apps.speed.model_speed.compare_models`.
    """
    names = [name for name in SIDES if name in report["stages"]]
    stages = list(dict.fromkeys(key for name in names for key in report["stages"][name]))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    bottom = np.zeros(len(names))
    for stage in stages:
        seconds = [report["stages"][name].get(stage, 0.0) for name in names]
        label = STAGES.get(stage, stage)
        axes.bar([SIDES[name] for name in names], seconds, bottom=bottom, label=label)
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
                measurements = [report[name][measured] for report in reports]
                axis.plot(values, measurements, "o-", label=SIDES[name])
        axis.set(xlabel=KEYS.get(key, key), xticks=values, ylabel=label, ylim=(0, None))
        axis.legend()
    save_figure(figure, path)
