"""Plots of the course of a training, and what plots have in common."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def plot_training(metrics_file: Path, output: Path) -> Path:
    """Draw losses and AP of a training's ``metrics.json`` over iterations; return the PNG.

    Raises FileNotFoundError if ``metrics_file`` is missing.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in read_metrics(metrics_file):
        for name, value in row.items():
            if "loss" in name or name in ("bbox/AP", "bbox/AP50", "bbox/AP75"):
                curves.setdefault(name, []).append((row["iteration"], value))
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), constrained_layout=True)
    for name, points in sorted(curves.items()):
        axes = left if "loss" in name else right
        width = 2.5 if name in ("total_loss", "bbox/AP50") else 1.2
        marker = "o" if axes is right else None
        axes.plot(*zip(*points, strict=True), label=name, linewidth=width, marker=marker)
    left.set(xlabel="iteration", ylabel="loss", yscale="log", title="training losses")
    right.set(xlabel="iteration", ylabel="AP in %", ylim=(0, 100), title="AP on held-out videos")
    add_grids(left, right)
    return save_figure(figure, output)


def read_metrics(path: Path) -> list[dict]:
    """Read the rows of ``metrics.json``, a JSON object on each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def add_grids(*panels: Axes) -> None:
    """Add a grid, and a legend if there are curves."""
    for axes in panels:
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend(fontsize=8, framealpha=0.6)


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and close it; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
