"""Options that annotated videos have in files and on the page."""

from __future__ import annotations

import argparse

from detectron2.config import CfgNode

from ...engine import add_model_options, build_cfg
from ...errors import InputError
from .annotator import AnnotationOptions

LOWEST_FPS, HIGHEST_FPS = 0.01, 1000


def add_annotation_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the model and of annotated videos."""
    add_model_options(parser)
    add = parser.add_argument
    add(
        "--threshold",
        type=float,
        default=0.5,
        help="lowest score of a detection (default: %(default)s)",
    )
    add("--tracks", action="store_true", help="link detections of an object over frames")
    add("--online", action="store_true", help="look at frames of the past only, as they come")
    add(
        "--fps",
        type=float,
        help="frames per second of outputs, images and cameras (default: theirs)",
    )
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="config options")


def read_options(
    args: argparse.Namespace, *, show: bool = False, resume: bool = False
) -> tuple[CfgNode, AnnotationOptions]:
    """Config and options of a command line.

    Raises:
        FileNotFoundError: if the config file does not exist.
        InputError: if there are no weights, or a value is invalid.
    """
    if args.fps is not None and not LOWEST_FPS <= args.fps <= HIGHEST_FPS:
        raise InputError(f"--fps is {args.fps}: it must be from {LOWEST_FPS} to {HIGHEST_FPS}.")
    cfg = build_cfg(args.config_file, args.opts, args.model)
    if not cfg.MODEL.WEIGHTS:
        raise InputError("MODEL.WEIGHTS is empty: add '--opts MODEL.WEIGHTS FILE'.")
    return cfg, AnnotationOptions(
        args.threshold, args.online, args.tracks, args.fps, show=show, resume=resume
    )
