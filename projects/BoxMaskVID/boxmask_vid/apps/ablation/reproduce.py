"""From nothing to tables and plots: what ``tools/reproduce_ladder.py`` does."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from ...errors import InputError
from ...evaluation.tables import without_nan
from ...files import write_json
from ..commands import Command
from . import presets, synthetic_data
from .ablation import Ladder
from .ablation_plot import plot_ladder
from .flying_classes import write_flying_classes
from .preset import Preset
from .results import Results
from .tables import markdown

PRESETS = ("synthetic", "mini_vid", "imagenet_vid")


def argument_parser() -> argparse.ArgumentParser:
    """The options of ``tools/reproduce_ladder.py``."""
    parser = argparse.ArgumentParser(
        description="Train and evaluate single frames, SELSA, SELSA + TROI, and each of them with "
        "BoxMask, with the same data, backbone, schedule and key frames; tables and plots. What "
        "was interrupted continues with the same command."
    )
    parser.add_argument("--preset", choices=PRESETS, required=True)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    parser.add_argument("--output", type=Path, default=Path("output/ladder"), metavar="DIR")
    parser.add_argument("--ablations", action="store_true", help="also variants of the models")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="commands at a time")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.getenv("DETECTRON2_DATASETS", "datasets"), "mini_vid"),
        metavar="DIR",
        help="with mini_vid: folder with instances_{train,val}.json and frames/ (default: "
        "$DETECTRON2_DATASETS/mini_vid)",
    )
    parser.add_argument("--num-gpus", type=int, default=1, help="of each command, if there are any")
    parser.add_argument(
        "--opts",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="KEY VALUE",
        help="of the config, for all models, e.g. MODEL.WEIGHTS of a backbone",
    )
    return parser


def reproduce(args: argparse.Namespace, repository: Path) -> None:
    """Make the data, train and test; tables and plots of what has finished, also after Ctrl-C.

    Raises:
        InputError: if a command fails, or the data are not what they should be.
        FileNotFoundError: if there are no data.
        KeyboardInterrupt: if it was interrupted.
    """
    ladder = Ladder(
        repository,
        args.output,
        prepare(args, repository),
        seeds=range(1, args.seeds + 1),
        ablations=args.ablations,
        jobs=args.jobs,
        num_gpus=args.num_gpus,
        options=args.opts,
    )
    try:
        ladder.run()
    finally:
        print("\n".join(["Look at:", *(f"  {each}" for each in write_results(ladder))]))


def write_results(ladder: Ladder) -> list[Path]:
    """Tables and plots of what has finished, into ``output/results``; what was written."""
    report = Results(ladder).report()
    folder = ladder.output / "results"
    pictures = plot_ladder(report, folder)
    tables = folder / "ladder.md"
    tables.write_text(markdown(report))
    write_json(folder / "ladder.json", without_nan(report))
    return [tables, folder / "ladder.json", *pictures]


def prepare(args: argparse.Namespace, repository: Path) -> Preset:
    """Make what the preset trains and is tested on, if it is not there yet.

    Raises:
        InputError: if a command fails, or the data are not what they should be.
        FileNotFoundError: if there are no data.
    """
    root = args.output / "datasets"
    if args.preset == "imagenet_vid":
        return presets.imagenet_vid()
    if args.preset == "mini_vid":
        for split in ("train", "val"):
            name = f"instances_{split}.json"
            write_flying_classes(args.data / name, root / name)
        jsons = root / "instances_train.json", root / "instances_val.json"
        return presets.mini_vid(*jsons, args.data / "frames")
    for tree, commands in synthetic_data.benchmark_commands(repository, root).items():
        if not (tree / "coco_vid/imagenet_vid_val.json").is_file():  # written last
            for command in commands.values():
                _run(command)
    synthetic_data.write_key_frames(root)
    synthetic_data.check_annotations(root)
    return presets.synthetic(root)


def _run(command: Command) -> None:
    print(f"$ {command}", flush=True)
    done = subprocess.run(command.words, env=command.environment, check=False)
    if done.returncode:
        raise InputError(f"'{command}' failed (exit code {done.returncode}), see above.")
