#!/usr/bin/env python3
"""Convert the still images of ImageNet DET with the classes of ImageNet VID to COCO JSON."""

from boxmask_vid.apps.dataset_tools.converters.ilsvrc import argument_parser
from boxmask_vid.apps.dataset_tools.converters.imagenet_det import convert_imagenet_det
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser(__doc__).parse_args()
    with errors_in_one_line():
        convert_imagenet_det(args.root, args.output, box_rule=args.box_rule)
