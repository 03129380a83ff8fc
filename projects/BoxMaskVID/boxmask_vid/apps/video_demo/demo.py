"""From videos to annotated videos and files of detections."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from detectron2.config import CfgNode

from ...engine.setup import build_cfg
from ...errors import InputError
from ...progress import progress
from .annotator import WINDOW, Annotator, Job

NOT_FOR_THE_PAGE = ("output", "jsonl", "csv", "coco", "show", "resume")


def argument_parser() -> argparse.ArgumentParser:
    """The options of ``demo.py``."""
    parser = argparse.ArgumentParser(
        description="Detect objects in videos, draw them and write them to files. Several inputs "
        "go to folders, one file for each."
    )
    add = parser.add_argument
    add("--config-file", required=True, metavar="FILE")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--input",
        nargs="+",
        metavar="X",
        help="video files, folders or globs of images, numbers of cameras, rtsp:// addresses",
    )
    what.add_argument(
        "--serve", action="store_true", help="a page for a browser: upload a video, play the result"
    )
    add("--host", default="127.0.0.1", help="of the page (default: this machine only)")
    add("--port", type=int, default=8000, help="of the page; 0 for any that is free")
    add("--output", type=Path, help="mp4 file; a folder for several inputs")
    add("--fps", type=float, help="of the output (default: that of the input)")
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
    """Annotate every input; one that is broken does not keep the others from being annotated.

    With ``--serve``, annotate what comes through a page for a browser until Ctrl-C.

    Raises:
        InputError: if there are no weights, an input cannot be read to its end, an output cannot be
            written, or the page cannot be served.
    """
    _check_options(args)
    cfg = build_cfg(args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise InputError("There are no weights: add '--opts MODEL.WEIGHTS FILE'.")
    if args.serve:
        _serve(cfg, args)
    else:
        _annotate_inputs(cfg, args)


def _check_options(args: argparse.Namespace) -> None:
    if args.fps is not None and not args.fps > 0:
        raise InputError(f"--fps is {args.fps}: it must be above 0.")
    if args.serve:
        files = [name for name in NOT_FOR_THE_PAGE if getattr(args, name)]
        if files:
            raise InputError(f"--serve gives its files to the browser: leave out --{files[0]}.")
        return
    if args.output is None:
        raise InputError("--input is annotated in --output Y: add it.")
    if args.resume and not args.jsonl:
        raise InputError("--resume reads from --jsonl OUT what is done: add it, in both runs.")


def _serve(cfg: CfgNode, args: argparse.Namespace) -> None:
    try:
        from .serve import serve
    except ImportError as error:  # the libraries of the page are optional
        raise InputError(
            f"--serve needs what is not installed ({error.name}): pip install -c constraints.txt "
            "'.[serve]', or run the set-up."
        ) from error
    serve(cfg, args)


def _annotate_inputs(cfg: CfgNode, args: argparse.Namespace) -> None:
    if args.show:
        _check_window()
    jobs = _jobs(args)
    annotator = Annotator(cfg, args)
    failures = []
    for job in jobs:
        try:
            annotator.annotate(job, progress)
        except (InputError, FileNotFoundError) as error:
            failures.append(str(error))
    if failures:
        raise InputError(" ".join(failures))


def _jobs(args: argparse.Namespace) -> list[Job]:
    columns = [
        _outputs(args.input, output, suffix)
        for output, suffix in (
            (args.output, ".mp4"),
            (args.jsonl, ".jsonl"),
            (args.csv, ".csv"),
            (args.coco, ".json"),
        )
    ]
    return [Job(*row) for row in zip(args.input, *columns, strict=True)]


def _outputs(inputs: list[str], output: Path | None, suffix: str) -> list[Path | None]:
    """A file for each input, all in a folder unless there is one input and ``output`` is a file."""
    if output is None:
        return [None] * len(inputs)
    if len(inputs) == 1 and output.suffix:
        if output.suffix != suffix:
            raise InputError(
                f"Output {output}: only {suffix} is written there, or a folder of {suffix} files."
            )
        return [output]
    paths = [Path(each) for each in inputs]
    stems = [path.parent.name if "*" in path.name else path.stem for path in paths]
    outputs = [output / f"{stem}{suffix}" for stem in stems]
    if len(set(outputs)) < len(outputs):
        raise InputError(
            f"Two of the inputs {', '.join(inputs)} would be written to the same file below "
            f"{output}: rename them or run them one by one."
        )
    return outputs


def _check_window() -> None:
    try:
        cv2.namedWindow(WINDOW)
    except cv2.error as error:
        raise InputError(
            "--show needs a window, and this OpenCV has none: install opencv-python in the place "
            "of opencv-python-headless, on a machine with a screen."
        ) from error
