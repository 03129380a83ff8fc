"""Command ``demo.py``: annotate videos and write their detections to files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
from detectron2.config import CfgNode

from ...engine.setup import MODEL_HELP, build_cfg
from ...errors import InputError
from ...progress import progress
from .annotated_video import WINDOW
from .annotator import AnnotationOptions, Annotator, VideoTask
from .places import check_places

LOWEST_FPS, HIGHEST_FPS = 0.01, 1000

# options of files, which the page gives to the browser, and of windows
NOT_FOR_THE_PAGE = ("output", "jsonl", "csv", "coco", "show", "resume")


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``demo.py``."""
    parser = argparse.ArgumentParser(
        description="Detect objects in videos, draw them and write them to files. Several inputs "
        "go to folders, one file for each."
    )
    add = parser.add_argument
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument("--config-file", metavar="FILE", help="config file of the model")
    models.add_argument("--model", metavar="NAME", help=MODEL_HELP)
    videos = parser.add_mutually_exclusive_group(required=True)
    videos.add_argument(
        "--input",
        nargs="+",
        metavar="X",
        help="video files, folders or globs of images, numbers of cameras, rtsp:// addresses",
    )
    videos.add_argument(
        "--serve", action="store_true", help="a page for a browser: upload a video, play the result"
    )
    add("--host", default="127.0.0.1", help="address of the page (default: this machine only)")
    add("--port", type=int, default=8000, help="port of the page; 0 for any that is free")
    add("--output", type=Path, help="mp4 file; a folder for several inputs")
    add("--fps", type=float, help="frames per second of the output (default: those of the input)")
    add("--threshold", type=float, default=0.5, help="lowest score of a detection")
    add("--online", action="store_true", help="look at frames of the past only, as they come")
    add("--tracks", action="store_true", help="link detections of an object over frames")
    add("--jsonl", type=Path, metavar="OUT", help="write a line of JSON for each frame")
    add("--csv", type=Path, metavar="OUT", help="write a line for each detection")
    add("--coco", type=Path, metavar="OUT", help="write COCO results")
    add("--show", action="store_true", help="show the frames in a window; q ends")
    add("--resume", action="store_true", help="continue after an interruption, needs --jsonl")
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="config options")
    return parser


def run(args: argparse.Namespace) -> None:
    """Annotate every input; a broken one does not stop the others.

    With ``--serve``, annotate videos that are uploaded to a page for a browser, until Ctrl-C.

    Raises:
        InputError: if there are no weights, an input cannot be read to its end, an output cannot be
            written, or the page cannot be served.
    """
    _check_options(args)
    tasks = [] if args.serve else _tasks(args)
    cfg = build_cfg(args.config_file, args.opts, args.model)
    if not cfg.MODEL.WEIGHTS:
        raise InputError("MODEL.WEIGHTS is empty: add '--opts MODEL.WEIGHTS FILE'.")
    options = AnnotationOptions(
        args.threshold, args.online, args.tracks, args.fps, args.show, args.resume
    )
    if not args.serve:
        _annotate_inputs(cfg, options, tasks)
        return
    try:
        from .serve import serve
    except ImportError as error:  # the libraries of the page are optional
        raise InputError(
            f"--serve needs a package that is not installed ({error.name}): pip install -c "
            "constraints.txt '.[serve]', or run tools/setup_environment.py."
        ) from error
    serve(cfg, options, host=args.host, port=args.port)


def _check_options(args: argparse.Namespace) -> None:
    if args.fps is not None and not LOWEST_FPS <= args.fps <= HIGHEST_FPS:
        raise InputError(f"--fps is {args.fps}: it must be from {LOWEST_FPS} to {HIGHEST_FPS}.")
    if args.serve:
        files = [name for name in NOT_FOR_THE_PAGE if getattr(args, name)]
        if files:
            raise InputError(f"--serve gives its files to the browser: leave out --{files[0]}.")
        return
    if args.output is None:
        raise InputError("--input needs a place for the annotated video: add --output Y.")
    if args.resume and not args.jsonl:
        raise InputError("--resume continues from the lines of --jsonl OUT: add it, in both runs.")


def _annotate_inputs(cfg: CfgNode, options: AnnotationOptions, tasks: Sequence[VideoTask]) -> None:
    if options.show:
        try:
            cv2.namedWindow(WINDOW)
        except cv2.error as error:
            raise InputError(
                "--show needs a window, and this OpenCV has none: install opencv-python instead of "
                "opencv-python-headless, on a machine with a screen."
            ) from error
    annotator = Annotator(cfg, options)
    failures = []
    for task in tasks:
        try:
            annotator.annotate(task, progress)
        except (InputError, FileNotFoundError) as error:
            failures.append(str(error))
    if failures:
        raise InputError(" ".join(failures))


def _tasks(args: argparse.Namespace) -> list[VideoTask]:
    """A task for each input, whose places are checked."""
    outputs = {".mp4": args.output, ".jsonl": args.jsonl, ".csv": args.csv, ".json": args.coco}
    columns = [_paths(args.input, output, suffix) for suffix, output in outputs.items()]
    tasks = [VideoTask(*row) for row in zip(args.input, *columns, strict=True)]
    files = [path for task in tasks for path in task.outputs]
    check_places(args.input, files, [args.config_file] if args.config_file else [])
    return tasks


def _paths(inputs: Sequence[str], output: Path | None, suffix: str) -> Sequence[Path | None]:
    """A file for each input, all in a folder unless there is one input and ``output`` is a file."""
    if output is None:
        return [None] * len(inputs)
    is_file = output.suffix == suffix or (output.suffix and not output.is_dir())
    if len(inputs) == 1 and is_file:
        if output.suffix != suffix:
            raise InputError(
                f"Output {output}: only {suffix} is written there, or a folder of {suffix} files."
            )
        return [output]
    files = [output / f"{_stem(path)}{suffix}" for path in map(Path, inputs)]
    if len(set(files)) < len(files):
        raise InputError(
            f"Two of the inputs {', '.join(inputs)} would be written to the same file below "
            f"{output}: rename them or run them one by one."
        )
    return files


def _stem(path: Path) -> str:
    """Name of the files that are written for an input: of a glob, the name of its folder."""
    is_glob = set(path.name) & set("*?[") and not path.exists()
    absolute = Path(os.path.abspath(path))
    return absolute.parent.name if is_glob else absolute.stem
