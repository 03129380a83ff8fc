#!/usr/bin/env python3
"""Convert the annotations of videos to COCO-VID JSON; datasets/README.md describes the formats."""

import argparse
from pathlib import Path

from boxmask_vid.apps.dataset_tools.converters.convert import (
    FORMATS,
    UNLABELLED,
    convert_to_coco_vid,
)
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="annotations: a folder, a file, or a zip of them")
    parser.add_argument("--from", dest="format", choices=list(FORMATS), required=True)
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    frames = parser.add_mutually_exclusive_group()
    frames.add_argument("--images", type=Path, help="folder of image folders (default: source)")
    frames.add_argument("--videos", type=Path, help="folder of video files, read in place")
    parser.add_argument(
        "--extract",
        type=Path,
        help="write the frames of --videos as JPEG, or what a zip has, below this folder",
    )
    parser.add_argument(
        "--first-frame",
        type=int,
        choices=(0, 1),
        help="number of a video file's first frame in the names of label files (default: 0; 1 with "
        "epic-kitchens)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        help="class names in the order of their ids, for all splits",
    )
    parser.add_argument(
        "--unlabelled",
        choices=UNLABELLED,
        default="reference",
        help="frames without a label file serve as reference frames only, or have no objects",
    )
    args = parser.parse_args()
    if args.extract and not args.videos and args.source.suffix.lower() != ".zip":
        parser.error("--extract needs --videos, or a zip")
    with errors_in_one_line():
        convert_to_coco_vid(
            args.source,
            args.output,
            format=args.format,
            root=args.videos or args.images,
            video_files=args.videos is not None,
            extract=args.extract,
            first_number=args.first_frame,
            classes=args.classes,
            unlabelled=args.unlabelled,
        )
