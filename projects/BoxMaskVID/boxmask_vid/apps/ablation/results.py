"""Results of an ablation, read from the folders of its commands."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog

from ...data.datasets.vid_json import read_vid_json
from ...evaluation.bootstrap import interval
from ...evaluation.detection_file import read_detections
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.motion import MOTION_RANGES
from ...evaluation.scores import Metric, Scores, score_images
from ...evaluation.vid_evaluator import RESULTS_FILE
from ..training_plot import read_metrics
from .ablation import Ablation
from .presets import Evaluation, Model
from .runs import Run

AP50 = Metric("coco", "all", "AP50")
SHOWN = {name: Metric("coco", "all", name) for name in ("AP50", "AP", "AP75")} | {
    f"AP50 {motion}": Metric("coco", motion, "AP50") for motion in MOTION_RANGES if motion != "all"
}
_TEST_SECONDS = re.compile(r"Total inference pure compute time: .*\((\S+) s / iter")
_GPU_MEMORY = re.compile(r"max_mem: (\d+)M")


@dataclass
class Results:
    """Reads the runs that have finished; the others are left out.

    Numbers are AP in percent, seconds and GiB; NaN where there is nothing to measure.
    """

    ablation: Ablation
    _known: dict[tuple[Path, str], Scores] = field(default_factory=dict)

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
                    "seconds_per_frame": min(map(_seconds_per_frame, runs)),
                }
                for mode, runs in modes.items()
                if runs
            },
            "strengths": self._sweep("strengths"),
            "references": self._sweep("references"),
            "curves": {model.name: self._curves(model) for model in trained},
            "commands": [str(run.command) for run in self.ablation.plan() if run.is_finished],
        }

    def _trained(self, models: Sequence[Model]) -> list[Model]:
        return [model for model in models if self._seeds(model)]

    def _seeds(self, model: Model) -> list[int]:
        ablation = self.ablation
        tests = {
            seed: ablation.evaluation(model, seed, ablation.preset.test) for seed in ablation.seeds
        }
        return [seed for seed, test in tests.items() if test.is_finished]

    def _finished(self, model: Model, evaluation: Evaluation) -> list[Run]:
        runs = (self.ablation.evaluation(model, seed, evaluation) for seed in self.ablation.seeds)
        return [run for run in runs if run.is_finished]

    def _model(self, model: Model) -> dict:
        seeds = self._seeds(model)
        trainings = [self.ablation.training(model, seed) for seed in seeds]
        tests = self._finished(model, self.ablation.preset.test)
        splits = self.ablation.preset.splits
        return {
            "name": model.name,
            "title": model.title,
            "seeds": seeds,
            "splits": {title: self._shown(tests, dataset) for title, dataset in splits.items()},
            "seconds_per_frame": min(map(_seconds_per_frame, tests)),
            "training_seconds": min(map(_training_seconds, trainings)),
            "training_gib": max(map(_peak_gib, trainings)),
            "test_gib": max(map(_peak_gib, tests)),
        }

    def _shown(self, runs: list[Run], dataset: str) -> dict[str, dict]:
        return {name: self._measured(runs, dataset, metric) for name, metric in SHOWN.items()}

    def _measured(self, runs: list[Run], dataset: str, metric: Metric) -> dict:
        scores = [self._scores(run, dataset) for run in runs]
        values = [100 * score.mean(metric) for score in scores]
        return _summary(values, [score.draws.get(metric) for score in scores])

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
                    self._scores(self.ablation.evaluation(model, seed, test), dataset)
                    for model in (first, second)
                )
                values.append(100 * (after.mean(AP50) - before.mean(AP50)))
                draws.append(after.draws[AP50] - before.draws[AP50])
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
        if kind == "references" and not model.single_frame:
            yield self.ablation.num_references(model), preset.test, main
        for sweep in preset.sweeps(model):
            if sweep.name == kind == "strengths":
                yield from ((at, sweep, dataset) for at, dataset in preset.strengths.items())
            elif sweep.name.startswith(kind):
                yield int(str(sweep.options[-1])), sweep, main

    def _curves(self, model: Model) -> list[dict]:
        """Iterations with the class loss and AP50 in the course of the training, for each seed."""
        trainings = (self.ablation.training(model, seed) for seed in self._seeds(model))
        return [
            {
                key: [[row["iteration"], row[key]] for row in rows if key in row]
                for key in ("loss_cls", "bbox/AP50")
            }
            for rows in (read_metrics(run.folder / "metrics.json") for run in trainings)
        ]

    def _scores(self, run: Run, dataset: str) -> Scores:
        key = run.folder, dataset
        if key not in self._known:
            own = {name: json_file for name, json_file, _ in self.ablation.preset.registered}
            json_file = str(own.get(dataset) or MetadataCatalog.get(dataset).json_file)
            truth, table = GroundTruth.read(json_file), read_vid_json(json_file)
            found = read_detections(run.folder / "inference" / dataset / RESULTS_FILE, truth)
            key_frames = table.image_ids[table.is_key_frame]
            read = key_frames if len(key_frames) else table.image_ids
            self._known[key] = score_images(truth, found, read, scorers=("coco",))
        return self._known[key]


def _summary(values: list[float], draws: Sequence[np.ndarray | None]) -> dict:
    """Mean and spread over seeds, and the interval of the mean in draws of videos.

    ``spread`` is the standard deviation of a seed, None with one.
    """
    known = [draw for draw in draws if draw is not None]
    low = high = math.nan
    if len(known) == len(draws):
        low, high = interval(np.mean(known, axis=0))
    return {
        "mean": float(np.mean(values)),
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "low": 100 * low,
        "high": 100 * high,
        "seeds": values,
    }


def _seconds_per_frame(run: Run) -> float:
    """Time of the model alone, as Detectron2 logs it; the shortest of a test's data sets.

    On a machine that others use, too, the shortest time is the nearest to the true one.
    """
    found = map(float, _TEST_SECONDS.findall((run.folder / "log.txt").read_text()))
    # 0 where a test that had finished was given again
    return min((seconds for seconds in found if seconds > 0), default=math.nan)


def _training_seconds(run: Run) -> float:
    """Time of all iterations, from the median; NaN where there were too few for Detectron2."""
    rows = [row for row in read_metrics(run.folder / "metrics.json") if "time" in row]
    if not rows:
        return math.nan
    last = max(row["iteration"] for row in rows)
    return statistics.median(row["time"] for row in rows) * (last + 1)


def _peak_gib(run: Run) -> float:
    """Memory of the GPU if there was one, else of the largest process."""
    found = _GPU_MEMORY.findall((run.folder / "log.txt").read_text())
    return max(map(int, found)) / 1024 if found else run.cost()["peak_gib"]
