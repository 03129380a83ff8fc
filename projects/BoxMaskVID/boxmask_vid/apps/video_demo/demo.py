"""Command ``demo.py``: annotate videos and write their detections to files."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
from detectron2.config import CfgNode

from ...config import names_of_classes
from ...errors import InputError
from ...progress import progress
from ...video import comes_live, input_files, open_frames
from ..result_formats import EXPORT_HELP, Export, parse_exports, video_name
from . import serve_command
from .annotated_video import WINDOW
from .annotator import AnnotationOptions, Annotator, VideoTask
from .options import add_annotation_options, read_options
from .places import check_places

# options of files, which the page gives to the browser, and of windows
NOT_FOR_THE_PAGE = ("output", "jsonl", "csv", "coco", "export", "show", "resume")
SUFFIX = "_detected.mp4"  # of an annotated video beside its input


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``demo.py`` and of ``boxmask-vid detect``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("inputs", nargs="*", metavar="X", help="as --input")
    add(
        "--input",
        nargs="+",
        default=[],
        metavar="X",
        help="video files, folders or globs of images, numbers of cameras, addresses",
    )
    add("--serve", action="store_true", help="a page for a browser, see boxmask-vid serve")
    add("--output", type=Path, help=f"mp4 file or folder (default: X{SUFFIX} beside the input)")
    add("--jsonl", type=Path, metavar="OUT", help="write a line of JSON for each frame")
    add("--csv", type=Path, metavar="OUT", help="write a line for each detection")
    add("--coco", type=Path, metavar="OUT", help="write COCO results")
    add("--export", action="append", default=[], metavar="FORMAT=PATH", help=EXPORT_HELP)
    add("--show", action="store_true", help="show the frames in a window; q ends")
    add("--resume", action="store_true", help="continue after an interruption, needs --jsonl")
    serve_command.add_page_options(parser, shown=False)
    add_annotation_options(parser)
    return parser


def run(args: argparse.Namespace) -> None:
    """Annotate every input; a broken one does not stop the others.

    With ``--serve``, annotate videos that are uploaded to a page for a browser, until Ctrl-C.

    Raises:
        InputError: if there are no weights, an input cannot be read to its end, an output cannot be
            written, or the page cannot be served.
    """
    inputs = [*args.inputs, *args.input]
    _check_options(args, inputs)
    if args.serve:
        serve_command.run(args)
        return
    outputs = {".mp4": args.output, ".jsonl": args.jsonl, ".csv": args.csv, ".json": args.coco}
    exports = parse_exports(args.export)
    tasks = _tasks(inputs, outputs, exports)
    if args.output is None and not args.resume:
        _check_free(tasks)
    _check_places(tasks, exports, [args.config_file] if args.config_file else [])
    cfg, options = read_options(args, show=args.show, resume=args.resume)
    _check_exports(exports, inputs, outputs, names_of_classes(cfg), replace=args.resume)
    _check_inputs(inputs)
    _annotate_inputs(cfg, options, tasks)


def _check_options(args: argparse.Namespace, inputs: Sequence[str]) -> None:
    if args.serve:
        files = [f"--{name}" for name in NOT_FOR_THE_PAGE if getattr(args, name)]
        if inputs or files:
            raise InputError(
                "--serve takes videos from the browser and gives files to it: leave out "
                f"{[*inputs, *files][0]}."
            )
        return
    if not inputs:
        raise InputError("There is no video to detect in: name one, or add --serve.")
    if args.resume and not args.jsonl:
        raise InputError("--resume continues from the lines of --jsonl OUT: add it, in both runs.")


def _check_inputs(inputs: Sequence[str]) -> None:
    """Without anything to detect in no weights are fetched."""
    if not any(comes_live(path) or input_files(path) for path in inputs):
        for path in inputs:
            open_frames(path)  # raises an error that says what is missing


def _check_free(tasks: Sequence[VideoTask]) -> None:
    """No video that the user has not named is replaced."""
    there = next((task.video for task in tasks if task.video.exists()), None)
    if there is not None:
        raise InputError(
            f"{there} exists already: give --output {there} to replace it, or another --output."
        )


def _check_places(tasks: Sequence[VideoTask], exports: Sequence[Export], read: list[str]) -> None:
    inputs = [task.input for task in tasks]
    files = [path for task in tasks for path in task.outputs]
    names = list(map(video_name, inputs))
    targets = [path for export in exports for path in export.format.targets(export.path, names)]
    check_places(inputs, files, read, exports=targets)


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
        export.format.check(export.path, names, class_names, one_by_one=True, replace=replace)


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
    for paths in columns:
        twice = [path for path, count in Counter(paths).items() if path is not None and count > 1]
        if twice:
            raise InputError(
                f"Two of the inputs {', '.join(inputs)} would be written to the same file "
                f"{twice[0]}: rename them or run them one by one."
            )
    return [
        VideoTask(path, *files, exports=exports)
        for path, *files in zip(inputs, *columns, strict=True)
    ]


def _paths(inputs: Sequence[str], output: Path | None, suffix: str) -> Sequence[Path | None]:
    """A file for each input, all in a folder unless there is one input and ``output`` is a file.

    Without ``output`` only annotated videos are written, each beside its input.
    """
    if output is None:
        return [_beside(name) if suffix == ".mp4" else None for name in inputs]
    is_file = output.suffix == suffix or (output.suffix and not output.is_dir())
    if len(inputs) == 1 and is_file:
        if output.suffix != suffix:
            raise InputError(
                f"Output {output}: only {suffix} is written there, or a folder of {suffix} files."
            )
        return [output]
    return [output / f"{video_name(name)}{suffix}" for name in inputs]


def _beside(name: str) -> Path:
    """Annotated video beside its input; of cameras and streams in the current folder."""
    path = Path(Path(name).name if "://" in name else name)
    shown = path
    if set(path.name) & set("*?[") and not path.exists():
        shown = path.parent  # a glob is called like its folder
    if shown.name in ("", ".."):
        shown = Path(os.path.abspath(shown))
    return shown.parent / f"{video_name(name)}{SUFFIX}"
