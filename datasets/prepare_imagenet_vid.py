#!/usr/bin/env python3
"""Convert ImageNet VID, in the layout of ILSVRC2015, to COCO-VID JSON."""

from boxmask_vid.apps.dataset_tools.converters.ilsvrc import argument_parser
from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import convert_imagenet_vid
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser(__doc__).parse_args()
    with errors_in_one_line():
        convert_imagenet_vid(args.root, args.output, box_rule=args.box_rule)
