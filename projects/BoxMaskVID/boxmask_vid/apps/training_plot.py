"""Plot of the course of a training."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def plot_training(metrics_file: Path, output: Path) -> Path:
    """Draw losses and AP over iterations.

    Args:
        metrics_file: ``metrics.json`` of a training, a JSON object on each line.
        output: PNG to write.

    Raises:
        FileNotFoundError: if ``metrics_file`` is missing.
    """
    rows = [json.loads(line) for line in metrics_file.read_text().splitlines()]
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
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
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend(fontsize=8)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=110)
    plt.close(figure)
    return output
