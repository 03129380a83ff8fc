#!/usr/bin/env python3
"""Convert ImageNet VID, in the layout of ILSVRC2015, to COCO-VID JSON."""

import argparse
from pathlib import Path

from boxmask_vid.data.converters.ilsvrc import BOX_RULES
from boxmask_vid.data.converters.imagenet_vid import convert_imagenet_vid
from boxmask_vid.engine import bad_input_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder with Data, Annotations and ImageSets")
    parser.add_argument("--output", type=Path, required=True, help="folder for the JSON files")
    parser.add_argument(
        "--box-rule",
        choices=list(BOX_RULES),
        default="inclusive",
        help="inclusive: width = xmax - xmin + 1; short: xmax - xmin, as published COCO-style AP",
    )
    args = parser.parse_args()
    with bad_input_in_one_line():
        convert_imagenet_vid(args.root, args.output, box_rule=args.box_rule)
