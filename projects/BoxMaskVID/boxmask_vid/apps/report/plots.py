"""Plots as SVG images that are part of the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...evaluation.average_precision import RECALLS
from .analysis.confidence import BINS, Calibration
from .analysis.errors import KINDS

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito's colours, which colour-blind people can tell apart
KIND_COLOURS = dict(
    zip(KINDS, ["#D55E00", "#E69F00", "#CC79A7", "#56B4E9", "#F0E442", "#8A8A8A"], strict=True)
)
MOTION_COLOURS = {"all": "#222222", "slow": "#009E73", "medium": "#E69F00", "fast": "#D55E00"}
STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,  # names of classes are not formulas
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 11,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
}
MANY_CLASSES = 10  # more are not told apart by colours


class Plot(NamedTuple):
    """An SVG image."""

    source: str  # data URI; as an image, a plot cannot disturb the page or other plots
    description: str
    width: int  # pixels


def precision_recall(curves: dict[str, np.ndarray], class_names: Sequence[str]) -> Plot:
    """Means over classes by motion, and classes, of curves (C, 101) of each motion range."""

    def draw(left: Axes, right: Axes) -> None:
        for name, values in curves.items():
            if not np.isnan(values).all():
                mean = np.nanmean(values, axis=0)
                title = f"{name} (AP50 {100 * mean.mean():.1f})"
                left.plot(RECALLS, mean, color=MOTION_COLOURS[name], label=title, linewidth=2)
        left.set(title="mean over classes, by motion")
        values = curves["all"]
        ap = values.mean(axis=1)
        order = [label for label in np.argsort(-ap, kind="stable") if not np.isnan(ap[label])]
        named = order if len(order) <= MANY_CLASSES else [*order[:3], *order[-3:]]
        for label in order:
            text = f"{class_names[label]} ({100 * ap[label]:.1f})" if label in named else None
            colour = f"C{named.index(label)}" if label in named else "#cccccc"
            right.plot(RECALLS, values[label], color=colour, label=text, linewidth=1.5)
        few = "each class" if len(named) == len(order) else "three best and three worst classes"
        right.set(title=f"all motions, {few}")
        for axes in (left, right):
            axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
            axes.grid(alpha=0.25)
            if axes.has_data():
                axes.legend(fontsize=8.5, loc="lower left")

    return _svg(draw, 2, (10.5, 4.2), "Precision over recall")


def error_bars(gains: Sequence[float]) -> Plot:
    """Bars of the dAP of each kind."""

    def draw(axes: Axes) -> None:
        values = 100 * np.nan_to_num(np.array(gains))
        bars = axes.barh(KINDS, values, color=[KIND_COLOURS[kind] for kind in KINDS])
        labels = ["-" if np.isnan(gain) else f"{100 * gain:.1f}" for gain in gains]
        axes.bar_label(bars, labels, padding=4)
        axes.invert_yaxis()
        axes.set(xlabel="AP50 gained if these errors were fixed, in points")
        axes.margins(x=0.12)
        axes.tick_params(axis="y", length=0)

    return _svg(draw, 1, (7.5, 2.9), "Cost of each kind of error")


def confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Plot:
    """Matrix of (C + 1, C + 1) counts, coloured by their share of the row."""
    count = len(matrix)
    few = count <= MANY_CLASSES + 1
    side = 2.2 + (0.62 if few else 0.3) * count

    def draw(axes: Axes) -> None:
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(count), [*class_names, "missed"], rotation=45, ha="right")
        axes.set_yticks(range(count), [*class_names, "no object"])
        axes.set(xlabel="found as", ylabel="is")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[row, column] > 0.55 else "#333333"
            text = str(matrix[row, column])
            size = 9 if few else 6
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
        axes.axhline(count - 1.5, color="#888888", linewidth=0.8)
        axes.axvline(count - 1.5, color="#888888", linewidth=0.8)

    return _svg(draw, 1, (side + 0.8, side), "Confusion matrix")


def reliability(result: Calibration) -> Plot:
    """Precision over score, and the number of detections."""

    def draw(left: Axes, right: Axes) -> None:
        known = result.counts > 0
        left.plot([0, 1], [0, 1], color="#888888", linestyle="--", label="scores mean precision")
        scores, precisions = result.scores[known], result.precisions[known]
        left.plot(scores, precisions, "o-", color="#0072B2", linewidth=1.5, label="detections")
        left.set(xlabel="mean score", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
        left.set(title="below the diagonal: too confident")
        left.legend(fontsize=8.5, loc="upper left")
        places = (np.arange(BINS) + 0.5) / BINS
        right.bar(places, result.counts, width=0.9 / BINS, color="#56B4E9")
        right.set(xlabel="score", ylabel="detections", xlim=(0, 1), title="how many there are")
        for axes in (left, right):
            axes.grid(alpha=0.25)
            axes.set_axisbelow(True)

    return _svg(draw, 2, (9.5, 3.6), "Calibration of scores")


def _svg(
    draw: Callable[..., None], panels: int, size: tuple[float, float], description: str
) -> Plot:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(*np.atleast_1d(figure.subplots(1, panels)))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return Plot(f"data:image/svg+xml;base64,{data}", description, round(96 * size[0]))
