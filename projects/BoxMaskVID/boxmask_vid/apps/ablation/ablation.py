"""Trainings and tests of a ladder as commands, in one folder."""

from __future__ import annotations

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
from .jobs import Job, JobRunner
from .preset import Evaluation, Model, Preset


@dataclass(frozen=True)
class Ladder:
    """Models of a preset, each trained with several seeds and tested.

    Attributes:
        repository: where ``projects/BoxMaskVID`` and ``datasets`` are.
        output: everything is written below it.
        preset: what is trained and tested.
        seeds: one training of each model for each.
        ablations: whether the variants of the preset are trained, with the first seed, and the
            other ways to choose references are tested.
        jobs: commands at a time; each gets an equal part of the processors.
        num_gpus: of each command, if there are any.
        options: of the config, after those of the preset.
    """

    repository: Path
    output: Path
    preset: Preset
    seeds: Sequence[int] = (1, 2, 3)
    ablations: bool = False
    jobs: int = 1
    num_gpus: int = 1
    options: Sequence[object] = ()

    def run(self) -> None:
        """
        Raises:
            InputError: if commands fail.
        """
        runner = JobRunner(self.jobs)
        if self.start is not None:
            runner.run([self.start])
            _write_common_part(self.start.result, self.start_weights)
        runner.run(list(self.plan()))

    def plan(self) -> Iterator[Job]:
        """All commands; a whole ladder of one seed before the next seed."""
        preset = self.preset
        if self.start is not None:
            yield self.start
        for seed in self.seeds:
            for model in preset.rungs:
                yield from self._train_and_test(model, seed)
        variants = [*preset.ablations] if self.ablations else []
        for model in variants:
            yield from self._train_and_test(model, self.seeds[0])
        for seed in self.seeds:
            for model in preset.rungs:
                for sweep in preset.sweeps(model):
                    yield self.evaluation(model, seed, sweep)
            if self.ablations:
                for mode in preset.modes:
                    yield self.evaluation(preset.rungs[-1], seed, mode)

    def training(self, model: Model, seed: int) -> Job:
        """The command that trains a model."""
        folder = self._folder(model, seed) / "train"
        options = ["DATASETS.TRAIN", self.preset.train, "DATASETS.TEST", self.preset.curve]
        options += ["SEED", seed, "OUTPUT_DIR", folder]
        first = None if model == self.preset.start else self.start
        if first is not None:
            options += ["MODEL.WEIGHTS", self.start_weights]
        command = self._train_net(model, "--resume", options=options)
        return Job(command, folder, folder / "model_final.pth", f"{model.name} training", first)

    @property
    def start(self) -> Job | None:
        """The command that trains what all models start from."""
        return None if self.preset.start is None else self.training(self.preset.start, 0)

    @property
    def start_weights(self) -> Path | None:
        """Its backbone and RPN: what all models have in common."""
        if self.preset.start is None:
            return None
        return self._folder(self.preset.start, 0) / "backbone_and_rpn.pth"

    def evaluation(self, model: Model, seed: int, evaluation: Evaluation) -> Job:
        """The command that tests a trained model."""
        folder = self._folder(model, seed) / evaluation.name
        training = self.training(model, seed)
        datasets = ["DATASETS.TEST", evaluation.datasets, "MODEL.WEIGHTS", training.result]
        options = [*evaluation.options, *datasets, "OUTPUT_DIR", folder]
        command = self._train_net(model, "--eval-only", "--resume", options=options)
        kind = f"{model.name} {evaluation.name}"
        return Job(command, folder, folder / METRICS_FILE, kind, training)

    def num_references(self, model: Model) -> int:
        """Reference frames at test, where an evaluation says nothing else."""
        options = [*self.preset.options, *model.options, *self.options]
        cfg = build_cfg(get_config_file(model.config), list(map(str, options)))
        return cfg.MODEL.VID.TEST.NUM_REFERENCES

    def _train_and_test(self, model: Model, seed: int) -> Iterator[Job]:
        yield self.training(model, seed)
        yield self.evaluation(model, seed, self.preset.test)

    def _folder(self, model: Model, seed: int) -> Path:
        return self.output / f"runs/{model.name}/seed_{seed}"

    def _train_net(self, model: Model, *flags: str, options: Sequence[object]) -> Command:
        registered = []
        for name, json_file, images in self.preset.registered:
            registered += ["--dataset", name, json_file, images]
        gpus = ["--num-gpus", self.num_gpus] if torch.cuda.is_available() else []
        words = ["--config-file", os.path.relpath(get_config_file(model.config)), *flags, *gpus]
        # the tables draw videos themselves
        scorers = ["TEST.VID.SCORERS", ("coco",), "TEST.VID.BOOTSTRAP_DRAWS", 0]
        words += [*registered, *self.preset.options, *model.options, *self.options]
        words += [*scorers, *options]
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        script = "projects/BoxMaskVID/train_net.py"
        return Command(self.repository, script, words, {"OMP_NUM_THREADS": threads})


def _write_common_part(checkpoint: Path, target: Path) -> None:
    """Without the box head, which fits single frames only: with it they would be ahead."""
    weights = torch.load(checkpoint, map_location="cpu")["model"]
    parts = ("backbone.", "proposal_generator.")
    common = {name: each for name, each in weights.items() if name.startswith(parts)}
    with written_whole(target) as unfinished:
        torch.save({"model": common}, unfinished)
