#!/usr/bin/env python3
"""Look for what is wrong with a COCO-VID JSON; exit status 1 if there are errors."""

import argparse
import sys
from pathlib import Path

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json, draw_samples
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json_file", type=Path, metavar="JSON")
    parser.add_argument("--images", type=Path, help="image root; without it images are left alone")
    parser.add_argument(
        "--other",
        type=Path,
        nargs="+",
        default=[],
        help="JSONs of splits that must not share its videos",
    )
    parser.add_argument(
        "--heads-only", action="store_true", help="read the heads of the images, decode nothing"
    )
    parser.add_argument("--json", type=Path, help="write the findings to this file")
    parser.add_argument("--fix", type=Path, metavar="OUT", help="write a mended JSON to this file")
    parser.add_argument(
        "--draw", type=int, metavar="N", help="draw N key frames and their references as trained on"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/samples"), help="folder for --draw"
    )
    parser.add_argument("--config-file", help="whose INPUT --draw uses (default: ImageNet VID's)")
    args = parser.parse_args()
    if args.draw and not args.images:
        parser.error("--draw needs --images")
    with errors_in_one_line():
        healthy = check_vid_json(
            args.json_file,
            images=args.images,
            others=args.other,
            decode=not args.heads_only,
            report=args.json,
            fixed=args.fix,
        )
        if args.draw:
            draw_samples(
                args.fix or args.json_file,
                args.images,
                args.output,
                count=args.draw,
                config_file=args.config_file,
            )
    sys.exit(0 if healthy else 1)
