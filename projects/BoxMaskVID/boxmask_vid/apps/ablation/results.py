"""Results of an ablation, read from the folders and records of its commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import numpy as np

from ...evaluation.bootstrap import interval
from ...files import read_json, write_json
from .ablation import Ablation
from .presets import Evaluation, Model
from .records import AP50, METRICS, draws_of, record_of_test, record_of_training
from .runs import Run

# 97.5 % quantile of Student's t for 2 to 11 trainings; the last one for more is a little wide.
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


@dataclass
class Results:
    """Reads the runs that have finished, and writes their records; the others are left out.

    Numbers are AP in percent, seconds and GiB; NaN where there is nothing to measure.
    """

    ablation: Ablation
    _known: dict[Path, dict] = field(default_factory=dict)

    def report(self) -> dict:
        """All results, for JSON."""
        preset = self.ablation.preset
        trained = self._trained(preset.variants)
        modes = {mode: self._finished(preset.variants[-1], mode) for mode in preset.modes}
        return {
            "preset": preset.name,
            "seeds": list(self.ablation.seeds),
            "models": [self._model(model) for model in trained],
            "steps": list(self._steps()),
            "ablations": [
                self._further_variant(model) for model in self._trained(preset.further_variants)
            ],
            "modes": {
                mode.name.removeprefix("mode_"): {
                    **self._shown(runs, mode.datasets[0]),
                    "seconds_per_frame": self._extreme(min, runs, "seconds_per_frame"),
                }
                for mode, runs in modes.items()
                if runs
            },
            "strengths": self._sweep("strengths"),
            "references": self._sweep("references"),
            "curves": {model.name: self._curves(model) for model in trained},
            "commands": [str(run.command) for run in self.ablation.plan() if self._is_known(run)],
        }

    def _trained(self, models: Sequence[Model]) -> list[Model]:
        return [model for model in models if self._seeds(model)]

    def _seeds(self, model: Model) -> list[int]:
        ablation, test = self.ablation, self.ablation.preset.test
        seeds = ablation.seeds_of(model)
        return [seed for seed in seeds if self._is_known(ablation.evaluation(model, seed, test))]

    def _finished(self, model: Model, evaluation: Evaluation) -> list[Run]:
        seeds = self.ablation.seeds_of(model)
        runs = (self.ablation.evaluation(model, seed, evaluation) for seed in seeds)
        return [run for run in runs if self._is_known(run)]

    def _model(self, model: Model) -> dict:
        seeds = self._seeds(model)
        trainings = self._trainings(model)
        tests = self._finished(model, self.ablation.preset.test)
        splits = self.ablation.preset.splits
        return {
            "name": model.name,
            "title": model.title,
            "seeds": seeds,
            "splits": {title: self._shown(tests, dataset) for title, dataset in splits.items()},
            "seconds_per_frame": self._extreme(min, tests, "seconds_per_frame"),
            "training_seconds": self._extreme(min, trainings, "seconds"),
            "training_gib": self._extreme(max, trainings, "peak_gib"),
            "test_gib": self._extreme(max, tests, "peak_gib"),
        }

    def _trainings(self, model: Model) -> list[Run]:
        runs = (self.ablation.training(model, seed) for seed in self._seeds(model))
        return [run for run in runs if self._is_known(run)]

    def _shown(self, runs: list[Run], dataset: str) -> dict[str, dict]:
        return {name: self._measured(runs, dataset, name) for name in METRICS}

    def _measured(self, runs: list[Run], dataset: str, metric: str) -> dict:
        scores = [self._record(run)["scores"][dataset] for run in runs]
        values = [math.nan if score[metric] is None else score[metric] for score in scores]
        return _summary(values, [draws_of(score) for score in scores] if metric == AP50 else [])

    def _steps(self) -> Iterator[dict]:
        """Gain of each part on every split: pairs of variants, seed by seed."""
        variants = {model.name: model for model in self._trained(self.ablation.preset.variants)}
        pairs = [("faster_rcnn", "selsa"), ("selsa", "selsa_troi")]
        pairs += [(name, f"boxmask_{name}") for name in variants]
        for without, with_part in pairs:
            if without in variants and with_part in variants:
                yield self._difference(variants[without], variants[with_part])

    def _further_variant(self, model: Model) -> dict:
        variants = self.ablation.preset.variants
        bases = {variant.config: variant for variant in variants}
        base = bases.get(model.config, variants[-1])
        return {**self._model(model), "difference": self._difference(base, model)}

    def _difference(self, first: Model, second: Model) -> dict:
        test = self.ablation.preset.test
        seeds = sorted({*self._seeds(first)} & {*self._seeds(second)})
        splits = {}
        for title, dataset in self.ablation.preset.splits.items():
            values, draws = [], []
            for seed in seeds:
                before, after = (
                    self._record(self.ablation.evaluation(model, seed, test))["scores"][dataset]
                    for model in (first, second)
                )
                values.append(after[AP50] - before[AP50])
                draws.append(draws_of(after) - draws_of(before))
            splits[title] = _summary(values, draws)
        return {"from": first.title, "to": second.title, "seeds": seeds, "splits": splits}

    def _sweep(self, kind: str) -> dict[str, list[dict]]:
        """AP50 of each variant at each setting, for each seed."""
        result: dict[str, list[dict]] = {}
        for model in self._trained(self.ablation.preset.variants):
            for at, test, dataset in sorted(self._settings(model, kind), key=itemgetter(0)):
                if runs := self._finished(model, test):
                    point = {"at": at, "AP50": self._measured(runs, dataset, AP50)}
                    result.setdefault(model.name, []).append(point)
        return result

    def _settings(self, model: Model, kind: str) -> Iterator[tuple[float, Evaluation, str]]:
        """Settings of a sweep, with the test of each and its data set."""
        preset = self.ablation.preset
        main = [*preset.splits.values()][-1]
        if kind == "references" and preset.references and not model.single_frame:
            yield self.ablation.num_references(model), preset.test, main
        for sweep in preset.sweeps(model):
            if sweep.name == kind == "strengths":
                yield from ((at, sweep, dataset) for at, dataset in preset.strengths.items())
            elif sweep.name.startswith(kind):
                yield int(str(sweep.options[-1])), sweep, main

    def _curves(self, model: Model) -> list[dict]:
        """Iterations with the class loss and AP50 in the course of the training, for each seed."""
        return [self._record(run)["curve"] for run in self._trainings(model)]

    def _extreme(self, which: Callable, runs: list[Run], key: str) -> float:
        values = [self._record(run)[key] for run in runs]
        return which((value for value in values if value is not None), default=math.nan)

    def _is_known(self, run: Run) -> bool:
        return run.is_finished or self.ablation.record_file(run).is_file()

    def _record(self, run: Run) -> dict:
        """The record of a run; written unless it is there already."""
        file = self.ablation.record_file(run)
        if file not in self._known:
            if not file.is_file():
                annotations = {name: path for name, path, _ in self.ablation.preset.registered}
                is_test = self.ablation.is_test(run)
                record = record_of_test(run, annotations) if is_test else record_of_training(run)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, record)
            self._known[file] = read_json(file)
        return self._known[file]


def _summary(values: list[float], draws: Sequence[np.ndarray]) -> dict:
    """Mean and spread over seeds, and the interval of the mean in draws of videos.

    ``spread`` is the standard deviation of a seed, and ``of_trainings`` is what the mean may be off
    by, with 95 %, because trainings differ; both are None with one seed.
    """
    count = len(values)
    spread = float(np.std(values, ddof=1)) if count > 1 else None
    student = _STUDENT[min(count - 2, len(_STUDENT) - 1)]
    low, high = interval(np.mean(draws, axis=0)) if len(draws) else (math.nan, math.nan)
    return {
        "mean": float(np.mean(values)),
        "spread": spread,
        "of_trainings": None if spread is None else student * spread / math.sqrt(count),
        "low": low,
        "high": high,
        "seeds": values,
    }
