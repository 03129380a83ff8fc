"""The command of ``datasets/convert_to_coco_vid.py``; datasets/README.md describes the formats."""

from __future__ import annotations

import argparse
from pathlib import Path

from ....errors import InputError
from .archives import is_archive
from .convert import FORMATS, UNLABELLED, convert_to_coco_vid


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``datasets/convert_to_coco_vid.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("source", type=Path, help="annotations: a folder, a file, or a zip of them")
    add(
        "--from",
        dest="format",
        choices=list(FORMATS),
        required=True,
        metavar="FORMAT",
        help=f"one of {', '.join(FORMATS)}",
    )
    add("--output", type=Path, required=True, help="JSON to write")
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument("--images", type=Path, help="folder of image folders (default: source)")
    frames.add_argument("--videos", type=Path, help="folder of video files, read in place")
    add(
        "--extract",
        type=Path,
        help="write the frames of --videos as JPEG, or what a zip has, below this folder",
    )
    add(
        "--first-frame",
        type=int,
        choices=(0, 1),
        help="number of a video file's first frame in the names of label files (default: 0 if a "
        "label file has it; 1 with epic-kitchens)",
    )
    add(
        "--corners-from",
        type=int,
        choices=(0, 1),
        help="number of the first pixel in mot and voc (default: as the tool that wrote them)",
    )
    add("--classes", nargs="+", help="class names in the order of their ids, for all splits")
    add(
        "--unlabelled",
        choices=UNLABELLED,
        default="reference",
        help="frames without a label file serve as reference frames only, or have no objects",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Convert as the command line says.

    Raises:
        FileNotFoundError: if there are no annotations or no frames.
        InputError: if they are invalid, or do not belong to each other.
    """
    if args.extract and not args.videos and not is_archive(args.source):
        raise InputError(
            f"--extract {args.extract} has no video files and no zip to read: add --videos."
        )
    convert_to_coco_vid(
        args.source,
        args.output,
        format=args.format,
        root=args.videos or args.images,
        video_files=args.videos is not None,
        extract=args.extract,
        first_number=args.first_frame,
        corners_from=args.corners_from,
        classes=args.classes,
        unlabelled=args.unlabelled,
    )
