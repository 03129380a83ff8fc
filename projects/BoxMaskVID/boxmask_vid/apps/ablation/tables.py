"""Results of an ablation as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tabulate import tabulate


def markdown(report: dict) -> str:
    """Tables of :meth:`Results.report`; AP in percent."""
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: dict) -> Iterator[str]:
    yield f"# Ablation of the preset {report['preset']}"
    yield (
        "AP50 in percent: mean over seeds ± standard deviation of a seed [95 % interval of the "
        "mean in draws of test videos]."
    )
    models = report["models"]
    if not models:
        yield "Nothing has finished yet."
        return
    splits = list(models[0]["splits"])
    yield _table(["model", "seeds", *splits], [_accuracy(model, splits) for model in models])
    yield f"COCO's AP, AP50 by motion ({splits[-1]}), time and memory:"
    motions = [name for name in models[0]["splits"][splits[-1]] if name.startswith("AP50 ")]
    costs = ["s / frame", "training, min", "GiB training", "GiB test"]
    header = ["model", "AP", "AP75", *motions, *costs]
    yield _table(header, [_details(model, splits[-1], motions) for model in models])
    if report["steps"]:
        yield (
            f"Gain of each part, seed by seed; last, the mean ({splits[-1]}) and its 95 % interval "
            "where only trainings vary:"
        )
        rows = [
            [*_step(step), _of_trainings(step["splits"][splits[-1]])] for step in report["steps"]
        ]
        yield _table(["from", "to", "seeds", *splits, "95 % of trainings"], rows)
    if report["ablations"]:
        yield "Further variants, and their difference from the model that they change:"
        rows = [
            [*_accuracy(variant, splits), *_step(variant["difference"])[3:]]
            for variant in report["ablations"]
        ]
        yield _table(["variant", "seeds", *splits, *(f"Δ {split}" for split in splits)], rows)
    if report["modes"]:
        yield "References at test, all frames of the videos, last variant:"
        rows = [
            [name, cell(mode["AP50"]), f"{mode['seconds_per_frame']:.3f}"]
            for name, mode in report["modes"].items()
        ]
        yield _table(["references", "AP50", "s / frame"], rows)
    for kind, what in (("strengths", "degradation strength"), ("references", "references at test")):
        if report[kind]:
            yield f"AP50 by {what}:"
            yield _sweep(report, kind)


def cell(value: dict, *, signed: bool = False) -> str:
    """Mean, spread and interval, as far as they are known."""
    if value["mean"] is None or math.isnan(value["mean"]):
        return "-"
    sign = "+" if signed else ""
    text = f"{value['mean']:{sign}.1f}"
    if value["spread"] is not None:
        text += f" ± {value['spread']:.1f}"
    if value["low"] is not None and not math.isnan(value["low"]):
        text += f" [{value['low']:{sign}.1f}, {value['high']:{sign}.1f}]"
    return text


def _accuracy(model: dict, splits: list[str]) -> list[str]:
    accuracies = [cell(model["splits"][split]["AP50"]) for split in splits]
    return [model["title"], str(len(model["seeds"])), *accuracies]


def _details(model: dict, split: str, motions: list[str]) -> list[str]:
    names = "AP", "AP75", *motions
    return [
        model["title"],
        *(cell({**model["splits"][split][name], "low": None}) for name in names),
        f"{model['seconds_per_frame']:.3f}",
        f"{model['training_seconds'] / 60:.1f}",
        f"{model['training_gib']:.2f}",
        f"{model['test_gib']:.2f}",
    ]


def _step(step: dict) -> list[str]:
    differences = [cell(value, signed=True) for value in step["splits"].values()]
    return [step["from"], step["to"], str(len(step["seeds"])), *differences]


def _of_trainings(value: dict) -> str:
    if value["of_trainings"] is None:
        return "-"
    ends = value["mean"] - value["of_trainings"], value["mean"] + value["of_trainings"]
    return cell({**value, "spread": None, "low": ends[0], "high": ends[1]}, signed=True)


def _sweep(report: dict, kind: str) -> str:
    titles = {model["name"]: model["title"] for model in report["models"]}
    settings = sorted({point["at"] for points in report[kind].values() for point in points})
    rows = []
    for name, points in report[kind].items():
        found = {point["at"]: point["AP50"] for point in points}
        rows.append([titles[name], *(cell(found[at]) if at in found else "" for at in settings)])
    return _table(["model", *map(str, settings)], rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return tabulate(rows, header, tablefmt="pipe", disable_numparse=True)
