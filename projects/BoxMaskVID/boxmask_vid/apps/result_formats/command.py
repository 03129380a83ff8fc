"""The command of ``tools/convert_detections.py``: write detections in formats of other tools."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import InputError
from .detections import VideoDetections
from .exports import EXPORT_HELP, Export, parse_exports, write_exports
from .reading import (
    link_tracks,
    read_coco_results,
    read_json_lines_of_data_set,
    read_json_lines_of_video,
)


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/convert_detections.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    what = "COCO results (DET.json), or JSON lines (DET.jsonl) named after their video"
    add("--detections", type=Path, required=True, metavar="DET", help=what)
    frames = parser.add_mutually_exclusive_group(required=True)
    frames.add_argument(
        "--gt", type=Path, metavar="GT.json", help="COCO-VID JSON of the videos; no boxes needed"
    )
    frames.add_argument("--video", metavar="X", help="video or folder of images of the JSON lines")
    add("--export", action="append", required=True, metavar="FORMAT=PATH", help=EXPORT_HELP)
    add("--threshold", type=float, default=0.0, help="lowest score (default: 0)")
    add("--tracks", action="store_true", help="link detections of an object over frames")
    return parser


def run(args: argparse.Namespace) -> None:
    """Read a file of detections and write it in all formats that are asked for.

    Raises:
        InputError: if a value in a file is invalid, or an output cannot be written.
        FileNotFoundError: if a file does not exist.
    """
    exports = parse_exports(args.export)
    inputs = {Path(path).resolve() for path in (args.detections, args.gt, args.video) if path}
    for export in exports:
        if export.path.resolve() in inputs:
            raise InputError(f"--export would overwrite the input {export.path}: choose another.")
    videos = [video.of_score(args.threshold) for video in _read(args)]
    if args.tracks:
        videos = [link_tracks(video) for video in videos]
    _check(exports, videos)
    write_exports(exports, videos)
    count = sum(map(len, videos))
    print(
        f"{args.detections}: {count} detections in {len(videos)} videos -> "
        f"{', '.join(map(str, exports))}"
    )


def _read(args: argparse.Namespace) -> list[VideoDetections]:
    if args.detections.suffix != ".jsonl":
        if args.video:
            raise InputError(
                f"--video belongs to JSON lines (.jsonl), and {args.detections} is none: give the "
                "data set of COCO results with --gt."
            )
        return read_coco_results(args.detections, args.gt)
    if args.video:
        return read_json_lines_of_video(args.detections, args.video)
    return read_json_lines_of_data_set(args.detections, args.gt)


def _check(exports: tuple[Export, ...], videos: list[VideoDetections]) -> None:
    names = [video.name for video in videos]
    for export in exports:
        export.format.check(export.path, names, videos[0].class_names)
