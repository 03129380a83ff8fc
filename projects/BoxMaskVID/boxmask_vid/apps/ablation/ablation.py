"""Trainings and tests of an ablation as commands, in one folder."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ...config import get_config_file
from ...engine.launch import METRICS_FILE
from ...engine.setup import build_cfg
from ...files import written_whole
from ..commands import Command
from .presets import Evaluation, Model, Preset
from .runs import Run, RunQueue


@dataclass(frozen=True)
class Ablation:
    """Models of a preset, each trained with several seeds and tested."""

    repository: Path  # folder of projects/BoxMaskVID and datasets
    output: Path  # folder of everything that is written
    preset: Preset
    seeds: Sequence[int] = (1, 2, 3)  # one training of each model per seed
    more_seeds: Sequence[int] = ()  # further ones, of the preset's cheap variants only
    # Also train the preset's further variants, with the first seed, and test its modes.
    further_variants: bool = False
    at_once: int = 1  # commands at a time; OMP_NUM_THREADS threads of each, or an equal part
    num_gpus: int = 1  # of each command, if there are any
    options: Sequence[object] = ()  # config options after those of the preset

    def run(self) -> None:
        """Run what has neither finished nor a record; raise InputError if commands fail."""
        queue = RunQueue(self.at_once)
        if self.start is not None and not self.start_weights.is_file():
            queue.run([self.start])
            _write_common_part(self.start.result, self.start_weights)
        plan = list(self.plan())
        tests = [run for run in plan if self.is_test(run) and not self.record_file(run).is_file()]
        needed = {run.folder for run in tests} | {run.after.folder for run in tests if run.after}
        queue.run([run for run in plan if run.is_finished or run.folder in needed])

    @staticmethod
    def is_test(run: Run) -> bool:
        """Whether a command of the plan is a test and not a training."""
        return run.result.name == METRICS_FILE

    def record_file(self, run: Run) -> Path:
        """The file with the results of a command (:mod:`.records`)."""
        folder = run.folder.relative_to(self.output / "runs")
        return self.output / "results/records" / folder.with_suffix(".json")

    def plan(self) -> Iterator[Run]:
        """All commands; all variants with one seed before the next seed, the cheap ones first."""
        preset = self.preset
        if self.start is not None:
            yield self.start
        trained = [*itertools.product(self.seeds, preset.variants)]
        trained += itertools.product(self.more_seeds, preset.cheap_variants)
        if self.further_variants:
            trained += [(self.seeds[0], model) for model in preset.further_variants]
        for seed, model in trained:
            yield self.training(model, seed)
            yield self.evaluation(model, seed, preset.test)
        for seed in self.seeds:
            for model in preset.variants:
                for sweep in preset.sweeps(model):
                    yield self.evaluation(model, seed, sweep)
            if self.further_variants:
                for mode in preset.modes:
                    yield self.evaluation(preset.variants[-1], seed, mode)

    def seeds_of(self, model: Model) -> list[int]:
        """Seeds that a variant is trained with, in the table's test at least."""
        more = self.more_seeds if model in self.preset.cheap_variants else ()
        return [*self.seeds, *more]

    def training(self, model: Model, seed: int) -> Run:
        """The command that trains a model."""
        folder = self._folder(model, seed) / "train"
        datasets = ["DATASETS.TRAIN", self.preset.train, "DATASETS.TEST", self.preset.curve]
        options = [*datasets, "SEED", seed, "OUTPUT_DIR", folder]
        first = None if model == self.preset.start else self.start
        if first is not None:
            options += ["MODEL.WEIGHTS", self.start_weights]
            first = None if self.start_weights.is_file() else first
        command = self._train_net(model, "--resume", options=options)
        return Run(command, folder, folder / "model_final.pth", f"{model.name} training", first)

    @property
    def start(self) -> Run | None:
        """The training of the model that all others start from."""
        return None if self.preset.start is None else self.training(self.preset.start, 0)

    @property
    def start_weights(self) -> Path:
        """Backbone and RPN of that model: the parts that all models have in common."""
        assert self.preset.start is not None
        return self.output / "results/backbone_and_rpn.pth"

    def evaluation(self, model: Model, seed: int, evaluation: Evaluation) -> Run:
        """The command that tests a trained model."""
        folder = self._folder(model, seed) / evaluation.name
        training = self.training(model, seed)
        datasets = ["DATASETS.TEST", evaluation.datasets, "MODEL.WEIGHTS", training.result]
        options = [*evaluation.options, *datasets, "OUTPUT_DIR", folder]
        command = self._train_net(model, "--eval-only", "--resume", options=options)
        kind = f"{model.name} {evaluation.name}"
        return Run(command, folder, folder / METRICS_FILE, kind, training)

    def num_references(self, model: Model) -> int:
        """Number of reference frames in tests that do not set it."""
        options = [*self.preset.options, *model.options, *self.options]
        cfg = build_cfg(get_config_file(model.config), list(map(str, options)))
        return cfg.MODEL.VID.TEST.NUM_REFERENCES

    def _folder(self, model: Model, seed: int) -> Path:
        return self.output / f"runs/{model.name}/seed_{seed}"

    def _train_net(self, model: Model, *flags: str, options: Sequence[object]) -> Command:
        words: list[object] = ["--config-file", os.path.relpath(get_config_file(model.config))]
        words += [*flags, *(["--num-gpus", self.num_gpus] if torch.cuda.is_available() else [])]
        for dataset in self.preset.registered:
            words += ["--dataset", *dataset]
        words += [*self.preset.options, *model.options, *self.options]
        # the tables draw videos themselves
        words += ["TEST.VID.SCORERS", ("coco",), "TEST.VID.BOOTSTRAP_DRAWS", 0, *options]
        equal_part = max(1, (os.cpu_count() or 1) // self.at_once)
        threads = {"OMP_NUM_THREADS": os.getenv("OMP_NUM_THREADS", equal_part)}
        return Command(self.repository, "projects/BoxMaskVID/train_net.py", words, threads)


def _write_common_part(checkpoint: Path, target: Path) -> None:
    """Leave out the box head: it fits single frames, which would give them an advantage."""
    weights = torch.load(checkpoint, map_location="cpu")["model"]
    parts = ("backbone.", "proposal_generator.")
    target.parent.mkdir(parents=True, exist_ok=True)
    common = {name: tensor for name, tensor in weights.items() if name.startswith(parts)}
    with written_whole(target) as unfinished:
        torch.save({"model": common}, unfinished)
