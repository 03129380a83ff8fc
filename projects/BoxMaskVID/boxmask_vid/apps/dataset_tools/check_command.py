"""The command of ``datasets/check_vid_json.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import InputError
from .check_data import check_vid_json
from .training_samples import draw_samples


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``datasets/check_vid_json.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("json_file", type=Path, metavar="JSON")
    add("--images", type=Path, help="image root; without it images are not checked")
    add(
        "--other",
        type=Path,
        nargs="+",
        default=[],
        help="JSONs of other splits, which must not share its videos",
    )
    add("--heads-only", action="store_true", help="read only the headers of the images")
    add("--json", type=Path, help="write the findings to this file")
    add("--fix", type=Path, metavar="OUT", help="write a fixed JSON to this file")
    add("--draw", type=int, metavar="N", help="draw N key frames with their reference frames")
    add("--output", type=Path, default=Path("output/samples"), help="folder for --draw")
    add("--config-file", help="config with the INPUT for --draw (default: ImageNet VID)")
    return parser


def run(args: argparse.Namespace) -> int:
    """Check, fix and draw; return the exit status, 1 if there are errors.

    Raises:
        FileNotFoundError: if a file does not exist.
        InputError: if it is not JSON, or an output cannot be written.
    """
    if args.draw and not args.images:
        raise InputError(f"--draw {args.draw} needs the images: add --images.")
    is_valid = check_vid_json(
        args.json_file,
        images=args.images,
        others=args.other,
        decode=not args.heads_only,
        report=args.json,
        fixed=args.fix,
    )
    if args.draw and (is_valid or not args.fix):
        draw_samples(
            args.fix or args.json_file,
            args.images,
            args.output,
            count=args.draw,
            config_file=args.config_file,
        )
    return 0 if is_valid else 1
