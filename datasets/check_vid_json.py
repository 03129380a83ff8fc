#!/usr/bin/env python3
"""Check a COCO-VID JSON; the exit status is 1 if there are errors."""

import argparse
import sys
from pathlib import Path

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json
from boxmask_vid.apps.dataset_tools.training_samples import draw_samples
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json_file", type=Path, metavar="JSON")
    parser.add_argument("--images", type=Path, help="image root; without it images are not checked")
    parser.add_argument(
        "--other",
        type=Path,
        nargs="+",
        default=[],
        help="JSONs of other splits, which must not share its videos",
    )
    parser.add_argument(
        "--heads-only", action="store_true", help="read only the headers of the images"
    )
    parser.add_argument("--json", type=Path, help="write the findings to this file")
    parser.add_argument("--fix", type=Path, metavar="OUT", help="write a fixed JSON to this file")
    parser.add_argument(
        "--draw",
        type=int,
        metavar="N",
        help="draw N training samples: key frames and their reference frames",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("output/samples"), help="folder for --draw"
    )
    parser.add_argument(
        "--config-file", help="config with the INPUT for --draw (default: ImageNet VID)"
    )
    args = parser.parse_args()
    if args.draw and not args.images:
        parser.error("--draw needs --images")
    with errors_in_one_line():
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
    sys.exit(0 if is_valid else 1)
