"""What a ladder has measured, from the folders of its commands."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from .ablation import Ladder
from .jobs import Job
from .preset import Model

AP50 = Metric("coco", "all", "AP50")
SHOWN = {name: Metric("coco", "all", name) for name in ("AP50", "AP", "AP75")} | {
    f"AP50 {motion}": Metric("coco", motion, "AP50") for motion in MOTION_RANGES if motion != "all"
}
_TEST_SECONDS = re.compile(r"Total inference pure compute time: .*\((\S+) s / iter")
_GPU_MEMORY = re.compile(r"max_mem: (\d+)M")


@dataclass
class Results:
    """Reads what has finished; what has not is left out.

    Numbers are AP in percent, seconds and GiB; NaN where there is nothing to be found.
    """

    ladder: Ladder

    def report(self) -> dict:
        """All of it, for JSON."""
        ladder, preset = self.ladder, self.ladder.preset
        return {
            "preset": preset.name,
            "seeds": list(ladder.seeds),
            "models": [self._model(model) for model in self._trained(preset.rungs)],
            "steps": list(self._steps()),
            "ablations": [self._variant(each) for each in self._trained(preset.ablations)],
            "modes": self._modes(),
            "strengths": self._sweep("strengths"),
            "references": self._sweep("references"),
            "curves": {each.name: self._curves(each) for each in self._trained(preset.rungs)},
            "commands": [str(job.command) for job in ladder.plan() if job.is_finished],
        }

    def _trained(self, models: Sequence[Model]) -> list[Model]:
        return [model for model in models if self._seeds(model)]

    def _seeds(self, model: Model) -> list[int]:
        test = self.ladder.preset.test
        return [
            seed
            for seed in self.ladder.seeds
            if self.ladder.evaluation(model, seed, test).is_finished
        ]

    def _model(self, model: Model) -> dict:
        seeds = self._seeds(model)
        test = self.ladder.preset.test
        trainings = [self.ladder.training(model, seed) for seed in seeds]
        tests = [self.ladder.evaluation(model, seed, test) for seed in seeds]
        return {
            "name": model.name,
            "title": model.title,
            "seeds": seeds,
            "splits": {
                title: self._split([self._scores(job, dataset) for job in tests])
                for title, dataset in self.ladder.preset.splits.items()
            },
            "seconds_per_frame": min(map(_seconds_per_frame, tests)),
            "training_seconds": min(map(_training_seconds, trainings)),
            "training_gib": max(map(_peak_gib, trainings)),
            "test_gib": max(map(_peak_gib, tests)),
        }

    def _split(self, scores: list[Scores]) -> dict:
        result = {}
        for name, metric in SHOWN.items():
            values = [100 * each.mean(metric) for each in scores]
            result[name] = _summary(values, [each.draws.get(metric) for each in scores])
        return result

    def _steps(self) -> Iterator[dict]:
        """What each part adds, on every split: pairs of rungs, seed by seed."""
        rungs = {model.name: model for model in self._trained(self.ladder.preset.rungs)}
        pairs = [("faster_rcnn", "selsa"), ("selsa", "selsa_troi")]
        pairs += [(name, f"boxmask_{name}") for name in rungs]
        for lower, upper in pairs:
            if lower in rungs and upper in rungs:
                yield self._difference(rungs[lower], rungs[upper])

    def _variant(self, model: Model) -> dict:
        config = {each.config: each for each in self.ladder.preset.rungs}
        base = config.get(model.config, self.ladder.preset.rungs[-1])
        return {**self._model(model), "difference": self._difference(base, model)}

    def _difference(self, lower: Model, upper: Model) -> dict:
        test = self.ladder.preset.test
        seeds = sorted({*self._seeds(lower)} & {*self._seeds(upper)})
        result = {"from": lower.title, "to": upper.title, "seeds": seeds, "splits": {}}
        for title, dataset in self.ladder.preset.splits.items():
            values, draws = [], []
            for seed in seeds:
                first, second = (
                    self._scores(self.ladder.evaluation(each, seed, test), dataset)
                    for each in (lower, upper)
                )
                values.append(100 * (second.mean(AP50) - first.mean(AP50)))
                draws.append(second.draws[AP50] - first.draws[AP50])
            result["splits"][title] = _summary(values, draws)
        return result

    def _modes(self) -> dict[str, dict]:
        top = self.ladder.preset.rungs[-1]
        result = {}
        for mode in self.ladder.preset.modes:
            jobs = [self.ladder.evaluation(top, seed, mode) for seed in self.ladder.seeds]
            jobs = [job for job in jobs if job.is_finished]
            if jobs:
                scores = [self._scores(job, mode.datasets[0]) for job in jobs]
                result[mode.name.removeprefix("mode_")] = {
                    **self._split(scores),
                    "seconds_per_frame": min(map(_seconds_per_frame, jobs)),
                }
        return result

    def _sweep(self, kind: str) -> dict[str, list[dict]]:
        """Of each rung AP50 at each setting, for each seed."""
        preset, result = self.ladder.preset, {}
        for model in self._trained(preset.rungs):
            points = list(self._points(model, kind))
            if points:
                result[model.name] = sorted(points, key=lambda point: point["at"])
        return result

    def _points(self, model: Model, kind: str) -> Iterator[dict]:
        preset = self.ladder.preset
        main = [*preset.splits.values()][-1]
        if kind == "references" and not model.single_frame:
            jobs = [self.ladder.evaluation(model, s, preset.test) for s in self._seeds(model)]
            yield {"at": self.ladder.num_references(model), **self._values(jobs, main)}
        for sweep in preset.sweeps(model):
            jobs = [self.ladder.evaluation(model, seed, sweep) for seed in self.ladder.seeds]
            jobs = [job for job in jobs if job.is_finished]
            if not jobs or not sweep.name.startswith(kind):
                continue
            if kind == "strengths":
                for strength, dataset in preset.strengths.items():
                    yield {"at": strength, **self._values(jobs, dataset)}
            else:
                yield {"at": int(sweep.options[-1]), **self._values(jobs, main)}

    def _values(self, jobs: list[Job], dataset: str) -> dict:
        scores = [self._scores(job, dataset) for job in jobs]
        values = [100 * each.mean(AP50) for each in scores]
        return {"AP50": _summary(values, [each.draws[AP50] for each in scores])}

    def _curves(self, model: Model) -> list[dict]:
        """Of each seed: iterations with the class loss and AP50 in the course of the training."""
        curves = []
        for seed in self._seeds(model):
            rows = _read_rows(self.ladder.training(model, seed).folder / "metrics.json")
            curve = {}
            for key in ("loss_cls", "bbox/AP50"):
                points = [(row["iteration"], row[key]) for row in rows if key in row]
                curve[key] = [list(point) for point in points]
            curves.append(curve)
        return curves

    def _scores(self, job: Job, dataset: str) -> Scores:
        key = job.folder, dataset
        if key not in self._known:
            json_file = self._json_files.get(dataset) or MetadataCatalog.get(dataset).json_file
            truth, table = GroundTruth.read(str(json_file)), read_vid_json(str(json_file))
            found = read_detections(job.folder / "inference" / dataset / RESULTS_FILE, truth)
            key_frames = table.image_ids[table.is_key_frame]
            read = key_frames if len(key_frames) else table.image_ids
            self._known[key] = score_images(truth, found, read, scorers=("coco",))
        return self._known[key]

    @cached_property
    def _known(self) -> dict:
        return {}

    @cached_property
    def _json_files(self) -> dict[str, Path]:
        return {name: json_file for name, json_file, _ in self.ladder.preset.registered}


def _read_rows(path: Path) -> list[dict]:
    """Of ``metrics.json``, an object on each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def _summary(values: list[float], draws: Sequence[np.ndarray | None]) -> dict:
    """Mean and spread over seeds, and the interval of the mean in draws of videos.

    ``spread`` is the standard deviation of a seed, None with one.
    """
    known = not any(each is None for each in draws)
    low, high = interval(np.mean(draws, axis=0)) if known else (math.nan, math.nan)
    return {
        "mean": float(np.mean(values)),
        "spread": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "low": 100 * low,
        "high": 100 * high,
        "seeds": values,
    }


def _seconds_per_frame(job: Job) -> float:
    """Of the model alone, as Detectron2 logs it; the best of the data sets of a test.

    On a machine that others use, too, the shortest time is the nearest to the true one.
    """
    found = map(float, _TEST_SECONDS.findall((job.folder / "log.txt").read_text()))
    # 0 where a test that had finished was given again
    return min((seconds for seconds in found if seconds > 0), default=math.nan)


def _training_seconds(job: Job) -> float:
    """Of all iterations, from the median of one; NaN where there were too few for Detectron2."""
    rows = [row for row in _read_rows(job.folder / "metrics.json") if "time" in row]
    if not rows:
        return math.nan
    last = max(row["iteration"] for row in rows)
    return statistics.median(row["time"] for row in rows) * (last + 1)


def _peak_gib(job: Job) -> float:
    """Of the GPU if there was one, else of the largest process."""
    log = job.folder / "log.txt"
    found = _GPU_MEMORY.findall(log.read_text())
    return max(map(int, found)) / 1024 if found else job.cost()["peak_gib"]
