"""Data, training, evaluation and detection on synthetic videos, by a user's own commands."""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..config import get_config_file
from ..data.datasets import register_vid_instances
from ..data.datasets.builtin import VIDEO_DATASETS
from ..engine.launch import METRICS_FILE
from ..errors import InputError
from ..files import read_json
from .commands import Command, synthetic_vid_commands
from .dataset_tools import write_contact_sheet
from .training_plot import plot_training

CONFIG = "SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml"
VAL_DATASET = "synthetic_vid_val"
EVALUATIONS = {  # name: options
    "with_references": (),
    "without_references": ("MODEL.VID.TEST.NUM_REFERENCES", 0),
}
SHOWN_VIDEOS = 3
SHOWN_FPS = 8  # synthetic videos have no clock; slow enough to see a frame


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/run_demo.py``."""
    parser = argparse.ArgumentParser(
        description="Make synthetic videos, train a small BoxMask on them from scratch, evaluate "
        "it and show its detections. About ten minutes on two CPU cores."
    )
    parser.add_argument("--output", type=Path, default=Path("output/demo"), metavar="DIR")
    parser.add_argument("--seed", type=int, default=1, help="seed of videos and training")
    return parser


@dataclass
class Quickstart:
    """Runs commands of the repository one after the other and takes their times."""

    repository: Path  # folder of projects/BoxMaskVID and datasets
    output: Path  # folder of everything that is written; an interrupted run continues there
    seed: int  # of the videos and of the training
    videos: int = 500  # in all: many short ones, since variety teaches
    frames: int = 8  # of a training video
    val_videos: int = 16
    val_frames: int = 16
    options: Sequence[object] = ()  # config options for training, evaluation and prediction
    seconds: dict[str, float] = field(default_factory=dict)  # time of each command that ran

    def run(self) -> None:
        """Run all commands and print metrics, times and the files to look at.

        Raises InputError if a command fails, or ``output`` has videos of another seed,
        KeyboardInterrupt if it was interrupted.
        """
        tree = self._dataset()
        training = ["OUTPUT_DIR", self.output / "train", "SEED", self.seed]
        resume = ["--resume"] if any((self.output / "train").glob("*.pth")) else []
        self._train_net("training", *resume, *training)
        weights = ["MODEL.WEIGHTS", self.output / "train/model_final.pth"]
        for name, options in EVALUATIONS.items():
            evaluation = ["--eval-only", *weights, "OUTPUT_DIR", self.output / name, *options]
            self._train_net(f"evaluation {name.replace('_', ' ')}", *evaluation)
        videos = self._predict(tree)
        print(self._summary([*self._pictures(tree), *videos]))

    def _dataset(self) -> Path:
        """Make the converted tree of synthetic videos."""
        tree = self.output / "datasets/synthetic_vid"
        seed_file = tree / "seed.txt"
        if seed_file.is_file():  # written last
            if seed_file.read_text() != f"{self.seed}\n":
                raise InputError(
                    f"{self.output} has videos of seed {seed_file.read_text().strip()}, not "
                    f"{self.seed}: remove it or choose another --output."
                )
            return tree
        names = "seed", "videos", "val_videos", "frames", "val_frames"
        settings = {name: getattr(self, name) for name in names}
        commands = synthetic_vid_commands(self.repository, tree, **settings)
        for title, command in commands.items():
            self._run(title, command)
        seed_file.write_text(f"{self.seed}\n")
        return tree

    def _predict(self, tree: Path) -> list[Path]:
        """Write annotated videos of some held-out ones."""
        inputs = sorted((tree / "Data/VID/val").iterdir())[:SHOWN_VIDEOS]
        self._command(
            "annotated videos",
            # the config that the training left knows the names of the classes
            *("projects/BoxMaskVID/demo.py", "--config-file", self.output / "train/config.yaml"),
            *("--input", *inputs, "--output", self.output / "videos", "--fps", SHOWN_FPS),
            *("--opts", "MODEL.WEIGHTS", self.output / "train/model_final.pth", *self.options),
        )
        return [self.output / f"videos/{video.name}.mp4" for video in inputs]

    def _pictures(self, tree: Path) -> list[Path]:
        name = "held_out_videos"
        json_file, _ = VIDEO_DATASETS[VAL_DATASET]
        register_vid_instances(name, {}, str(tree.parent / json_file), str(tree / "Data/VID"))
        found = self.output / f"with_references/inference/{VAL_DATASET}/coco_instances_results.json"
        return [
            tree / "contact_sheet.png",
            plot_training(self.output / "train/metrics.json", self.output / "training.png"),
            write_contact_sheet(name, found, self.output / "detections.png"),
        ]

    def _train_net(self, title: str, *options: object) -> None:
        config = ["--config-file", get_config_file(CONFIG)]
        self._command(title, "projects/BoxMaskVID/train_net.py", *config, *options, *self.options)

    def _command(self, title: str, script: str, *options: object) -> None:
        datasets = {"DETECTRON2_DATASETS": self.output / "datasets"}
        self._run(title, Command(self.repository, script, options, datasets))

    def _run(self, title: str, command: Command) -> None:
        print(f"\n== {title}\n$ {command}", flush=True)
        start = time.perf_counter()
        try:
            code = command.run()
        except KeyboardInterrupt:
            print(f"'{title}' was stopped: the same command continues in {self.output}.")
            raise
        self.seconds[title] = time.perf_counter() - start
        if code:
            raise InputError(f"'{title}' failed (exit code {code}), see above.")

    def _summary(self, files: list[Path]) -> str:
        """A table of metrics, times and files."""
        with_references, alone = map(self._metrics, EVALUATIONS)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        lines = ["", f"{'held-out videos':32}{'with references':>18}{'frames alone':>15}"]
        for metric, value in with_references.items():
            if metric in ("AP", "AP50", "AP75") or metric.startswith("AP50-"):
                lines.append(f"{metric:32}{value:18.1f}{alone[metric]:15.1f}")
        lines += ["", *(f"{title:32}{value:16.0f} s" for title, value in self.seconds.items())]
        lines.append(f"{'in all':32}{sum(self.seconds.values()):16.0f} s")
        lines.append(f"{'largest process':32}{peak:14.1f} GiB")
        files += [self.output / name / METRICS_FILE for name in EVALUATIONS]
        files += [self.output / "train/metrics.json", self.output / "train/model_final.pth"]
        return "\n".join([*lines, "", "Look at:", *(f"  {path}" for path in files)])

    def _metrics(self, name: str) -> dict[str, float]:
        metrics = read_json(self.output / name / METRICS_FILE)["bbox"]
        return {name: math.nan if value is None else value for name, value in metrics.items()}
