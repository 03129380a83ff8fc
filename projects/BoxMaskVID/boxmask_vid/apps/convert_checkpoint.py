"""The command ``boxmask-vid convert-checkpoint``."""

from __future__ import annotations

import argparse
from pathlib import Path

from detectron2.modeling import build_model

from ..checkpoint import convert_checkpoint
from ..engine import build_cfg
from ..files import refuse_overwriting


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/convert_checkpoint.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("input", type=Path, metavar="IN.pth", help="of mmtracking, torchvision or mmdetection")
    add("output", type=Path, metavar="OUT.pth")
    add("--config-file", required=True, metavar="CFG", help="config file of the model")
    return parser


def run(args: argparse.Namespace) -> None:
    """Convert a checkpoint to the names of a model.

    Raises:
        FileNotFoundError: if a file does not exist.
        InputError: if the checkpoint does not belong to the model, or cannot be written.
    """
    refuse_overwriting({"OUT.pth": args.output}, [args.input, Path(args.config_file)])
    model = build_model(build_cfg(args.config_file, ["MODEL.DEVICE", "cpu"]))
    count = convert_checkpoint(args.input, args.output, model)
    print(f"{args.output}: {count} tensors, for MODEL.WEIGHTS with {args.config_file}")
