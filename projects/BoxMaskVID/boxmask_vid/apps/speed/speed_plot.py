"""Pictures of what ``tools/benchmark.py`` has measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from ...errors import InputError


def plot_stages(report: dict, path: Path) -> None:
    """Seconds per frame by stage, the plain formulation beside ours.

    Args:
        report: of one benchmark with the plain formulation.
        path: PNG to write.
    """
    names = [name for name in ("plain", "ours", "single_frame") if name in report["stages"]]
    stages = list(dict.fromkeys(key for name in names for key in report["stages"][name]))
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    bottom = [0.0] * len(names)
    for stage in stages:
        seconds = [report["stages"][name].get(stage, 0.0) for name in names]
        axes.bar(names, seconds, bottom=bottom, label=stage)
        bottom = [low + each for low, each in zip(bottom, seconds, strict=True)]
    axes.set_ylabel("seconds per frame")
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_sweep(reports: Sequence[dict], key: str, path: Path) -> None:
    """Time and memory against a setting, e.g. the number of references.

    Args:
        reports: of one benchmark for each value.
        key: of the config, given on the command line of each of them.
        path: PNG to write.

    Raises:
        InputError: if a report does not have the key.
    """
    if any(key not in report["opts"] for report in reports):
        raise InputError(f"A benchmark was run without {key}: give it to each of them.")
    values = [int(report["opts"][report["opts"].index(key) + 1]) for report in reports]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for measured, label, axis in zip(
        ("seconds", "peak_gib"), ("seconds per frame", "peak memory, GiB"), axes, strict=True
    ):
        for name in ("plain", "ours"):
            if name in reports[0]:
                axis.plot(values, [each[name][measured] for each in reports], "o-", label=name)
        axis.set(xlabel=key, ylabel=label, ylim=(0, None))
        axis.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
