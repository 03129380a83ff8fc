"""The command ``boxmask-vid``: one sub-command for each script of the repository.

A script is its sub-command without the name, e.g. ``demo.py X`` is ``boxmask-vid detect X``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass

from . import __version__

PROGRAM = "boxmask-vid"


@dataclass(frozen=True)
class Subcommand:
    """A sub-command.

    Attributes:
        module: module below ``boxmask_vid`` with ``argument_parser`` and ``run``, which takes what
            was parsed and may return an exit status.
        summary: what it does, in a few words.
        example: words that follow the name of the program.
    """

    module: str
    summary: str
    example: str


SUBCOMMANDS = {
    "detect": Subcommand(
        "apps.video_demo.demo",
        "detect objects in videos, draw them, write files",
        "street.mp4 --model selsa_troi_R_50",
    ),
    "serve": Subcommand(
        "apps.video_demo.serve_command",
        "a page for a browser: upload a video, play the result",
        "--model selsa_troi_R_50 --port 8000",
    ),
    "train": Subcommand(
        "engine",
        "train a model",
        "--config-file CONFIG.yaml --dataset my_train my_train.json my_frames/ "
        "DATASETS.TRAIN \"('my_train',)\"",
    ),
    "evaluate": Subcommand(
        "apps.evaluate",
        "measure the AP of a model, or of a file of detections",
        "--model selsa_troi_R_50 --num-gpus 1",
    ),
    "models": Subcommand(
        "apps.models", "list the models that have published weights", "selsa_troi_R_50"
    ),
    "convert": Subcommand(
        "apps.dataset_tools.converters.command",
        "convert the annotations of videos to COCO-VID JSON",
        "annotations.xml --from cvat --images frames/ --output train.json",
    ),
    "check": Subcommand(
        "apps.dataset_tools.check_command",
        "check a COCO-VID JSON and its images, fix it, draw it",
        "train.json --images frames/ --draw 8",
    ),
    "score": Subcommand(
        "apps.score",
        "score COCO results by three scorers and by motion",
        "--gt val.json --detections results.json",
    ),
    "compare": Subcommand(
        "apps.compare",
        "compare two files of detections, with intervals",
        "--gt val.json first.json second.json",
    ),
    "report": Subcommand(
        "apps.report.command",
        "write an error analysis of detections as one HTML page",
        "--gt val.json --detections results.json --output report.html",
    ),
    "link": Subcommand(
        "apps.linking",
        "rescore detections along the video",
        "--gt val.json --detections results.json --method seq_nms --output linked.json",
    ),
    "convert-detections": Subcommand(
        "apps.result_formats.command",
        "write detections for CVAT, MOT, YOLO, Label Studio",
        "--detections results.json --gt val.json --export cvat=xml/ --tracks",
    ),
    "export": Subcommand(
        "apps.export.command",
        "export a model as TorchScript and ONNX",
        "--model selsa_R_50 --output exported",
    ),
    "speed": Subcommand(
        "apps.speed.model_speed",
        "measure the speed and memory of a model",
        "--model selsa_troi_R_50 --size 600 1000",
    ),
    "convert-checkpoint": Subcommand(
        "apps.convert_checkpoint",
        "convert a checkpoint of mmtracking or a backbone",
        "selsa.pth converted.pth --config-file CONFIG.yaml",
    ),
}


def main() -> None:
    """Run ``boxmask-vid`` with the words of the command line."""
    words = sys.argv[1:]
    if not words:
        _overview().print_help(sys.stderr)
        sys.exit(2)
    if words[0] in SUBCOMMANDS:
        _run(words[0], f"{PROGRAM} {words[0]}", words[1:])
    else:
        _overview().parse_args(words)


def run_script(name: str) -> None:
    """Run a sub-command as a script of its own, with the words of the command line."""
    _run(name, None, sys.argv[1:])


def _run(name: str, program: str | None, words: list[str]) -> None:
    command = SUBCOMMANDS[name]
    module = importlib.import_module(f"{__package__}.{command.module}")
    parser: argparse.ArgumentParser = module.argument_parser()
    parser.prog = program or parser.prog
    parser.formatter_class = argparse.HelpFormatter  # Detectron2's does not break the example
    parser.description = f"{command.summary[0].upper()}{command.summary[1:]}."
    parser.epilog = f"example: {parser.prog} {command.example}"
    args = parser.parse_args(words)
    with importlib.import_module(f"{__package__}.engine").errors_in_one_line():
        status = module.run(args)
    if status:
        sys.exit(status)


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, SUBCOMMANDS))
    summaries = "\n".join(
        f"  {name:{width}}  {command.summary}" for name, command in SUBCOMMANDS.items()
    )
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND ...",
        description="Video object detection with SELSA, Temporal RoI Align and BoxMask.",
        epilog=f"commands, each of which has --help:\n{summaries}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=SUBCOMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
