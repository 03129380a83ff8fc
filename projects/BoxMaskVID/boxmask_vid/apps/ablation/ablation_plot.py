"""Plots of the results of ``tools/reproduce_ablation.py``."""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ..training_plot import add_grids, save_figure

SETTINGS = {"strengths": "degradation strength", "references": "reference frames at test"}


def plot_ablation(report: dict, folder: Path) -> list[Path]:
    """Draw AP50 of the variants, the sweeps, and the courses of the trainings.

    The report is that of :meth:`Results.report`. Returns the PNGs in the folder; a sweep without
    measurements has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    if report["models"]:
        written = [_models(report, folder / "ap50.png"), _curves(report, folder / "training.png")]
    for kind, label in SETTINGS.items():
        if report[kind]:
            written.append(_sweep(report, kind, label, folder / f"{kind}.png"))
    return written


def _models(report: dict, path: Path) -> Path:
    """Means with the interval of drawn videos; seeds as dots."""
    models = report["models"]
    splits = list(models[0]["splits"])
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    height = 0.8 / len(splits)
    for number, split in enumerate(splits):
        values = [model["splits"][split]["AP50"] for model in models]
        rows = [row + (number - (len(splits) - 1) / 2) * height for row in range(len(models))]
        means, lows, highs = (
            np.array([value[key] for value in values]) for key in ("mean", "low", "high")
        )
        # draws are rounded, and need not lie on both sides of a mean near 0 or 100
        ends = np.maximum([means - lows, highs - means], 0)
        colour = f"C{number}"
        axes.barh(rows, means, height * 0.9, xerr=ends, color=colour, alpha=0.55, label=split)
        for row, value in zip(rows, values, strict=True):
            axes.plot(value["seeds"], [row] * len(value["seeds"]), "o", color=colour, ms=4, mec="k")
    axes.set_yticks(range(len(models)), [model["title"] for model in models])
    axes.invert_yaxis()
    axes.set(xlabel="AP50 in %; dots: seeds, bars: 95 % interval of the mean over drawn videos")
    axes.xaxis.label.set_fontsize(9)
    axes.set_xlim(0, 100)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.12), ncols=len(splits), frameon=False)
    return save_figure(figure, path)


def _sweep(report: dict, kind: str, label: str, path: Path) -> Path:
    labels = _labels(report)
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    if kind == "references":
        axes.set_xscale("symlog", base=2, linthresh=1)
    for name, points in report[kind].items():
        axes.errorbar(
            [point["at"] for point in points],
            [point["AP50"]["mean"] for point in points],
            [point["AP50"]["spread"] or 0.0 for point in points],
            fmt="o-" if "boxmask" in name else "s--",
            capsize=3,
            label=labels[name][0],
            color=labels[name][1],
        )
    settings = sorted({point["at"] for points in report[kind].values() for point in points})
    axes.set_xticks(settings, [f"{setting:g}" for setting in settings])
    axes.minorticks_off()
    axes.set(xlabel=label, ylabel="AP50 in %, mean and standard deviation of seeds")
    add_grids(axes)
    return save_figure(figure, path)


def _curves(report: dict, path: Path) -> Path:
    """Loss and AP50 over iterations, mean of the seeds."""
    labels = _labels(report)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for name, seeds in report["curves"].items():
        for key, axes in (("loss_cls", left), ("bbox/AP50", right)):
            _mean_curve(axes, [seed[key] for seed in seeds], labels[name])
    left.set(xlabel="iteration", ylabel="loss_cls", title="training loss of classes")
    right.set(xlabel="iteration", ylabel="AP50 in %", title="AP50 on videos for validation")
    add_grids(left, right)
    return save_figure(figure, path)


def _labels(report: dict) -> dict[str, tuple[str, str]]:
    """Title and colour of each model, the same in all plots."""
    models = report["models"]
    return {model["name"]: (model["title"], f"C{number}") for number, model in enumerate(models)}


def _mean_curve(axes: Axes, curves: list[list], label: tuple[str, str]) -> None:
    values: dict[int, list[float]] = {}
    for iteration, value in sorted(chain.from_iterable(curves), key=itemgetter(0)):
        values.setdefault(iteration, []).append(value)
    if values:
        means = list(map(fmean, values.values()))
        marker = "o" if len(means) < 10 else None
        axes.plot(list(values), means, marker=marker, ms=4, label=label[0], color=label[1])
