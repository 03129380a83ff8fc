"""Command ``demo.py``: annotate videos and write their detections to files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
from detectron2.config import CfgNode

from ...config import names_of_classes
from ...engine.setup import MODEL_HELP, build_cfg
from ...errors import InputError
from ...progress import progress
from ..result_formats import EXPORT_HELP, Export, parse_exports, video_name
from .annotator import WINDOW, AnnotationOptions, Annotator, VideoTask

# options of files, which the page gives to the browser, and of windows
NOT_FOR_THE_PAGE = ("output", "jsonl", "csv", "coco", "export", "show", "resume")


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
    add("--export", action="append", default=[], metavar="FORMAT=PATH", help=EXPORT_HELP)
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
    cfg = build_cfg(args.config_file, args.opts, args.model)
    if not cfg.MODEL.WEIGHTS:
        raise InputError("MODEL.WEIGHTS is empty: add '--opts MODEL.WEIGHTS FILE'.")
    options = AnnotationOptions(
        args.threshold, args.online, args.tracks, args.fps, args.show, args.resume
    )
    if not args.serve:
        outputs = {".mp4": args.output, ".jsonl": args.jsonl, ".csv": args.csv, ".json": args.coco}
        exports = parse_exports(args.export)
        _check_exports(exports, args.input, outputs, names_of_classes(cfg), replace=args.resume)
        _annotate_inputs(cfg, options, _tasks(args.input, outputs, exports))
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
    if args.fps is not None and not args.fps > 0:
        raise InputError(f"--fps is {args.fps}: it must be above 0.")
    if args.serve:
        files = [name for name in NOT_FOR_THE_PAGE if getattr(args, name)]
        if files:
            raise InputError(f"--serve gives its files to the browser: leave out --{files[0]}.")
        return
    if args.output is None:
        raise InputError("--input needs a place for the annotated video: add --output Y.")
    if args.resume and not args.jsonl:
        raise InputError("--resume continues from the lines of --jsonl OUT: add it, in both runs.")


def _check_exports(
    exports: Sequence[Export],
    inputs: Sequence[str],
    outputs: dict[str, Path | None],
    class_names: Sequence[str],
    *,
    replace: bool,
) -> None:
    names = [video_name(path) for path in inputs]
    for export in exports:
        other = outputs.get(export.format.suffix)
        if other is not None and other.resolve() == export.path.resolve():
            raise InputError(
                f"--export {export.format.name}={export.path} is the place of other "
                f"{export.format.suffix} files: give it its own."
            )
        export.format.check(
            export.path, names, class_names, one_by_one=len(names) > 1, replace=replace
        )


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


def _tasks(
    inputs: Sequence[str], outputs: dict[str, Path | None], exports: Sequence[Export]
) -> list[VideoTask]:
    """A task for each input; ``outputs`` are files or folders by the suffix of their files."""
    columns = [_paths(inputs, output, suffix) for suffix, output in outputs.items()]
    return [
        VideoTask(path, *files, exports=exports)
        for path, *files in zip(inputs, *columns, strict=True)
    ]


def _paths(inputs: Sequence[str], output: Path | None, suffix: str) -> Sequence[Path | None]:
    """A file for each input, all in a folder unless there is one input and ``output`` is a file."""
    if output is None:
        return [None] * len(inputs)
    if len(inputs) == 1 and output.suffix:
        if output.suffix != suffix:
            raise InputError(
                f"Output {output}: only {suffix} is written there, or a folder of {suffix} files."
            )
        return [output]
    files = [output / f"{video_name(path)}{suffix}" for path in inputs]
    if len(set(files)) < len(files):
        raise InputError(
            f"Two of the inputs {', '.join(inputs)} would be written to the same file below "
            f"{output}: rename them or run them one by one."
        )
    return files
