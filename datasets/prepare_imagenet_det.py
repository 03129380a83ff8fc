#!/usr/bin/env python3
"""Convert the still images of ImageNet DET with the classes of ImageNet VID to COCO JSON."""

from boxmask_vid.data.converters.ilsvrc import argument_parser
from boxmask_vid.data.converters.imagenet_det import convert_imagenet_det
from boxmask_vid.engine import bad_input_in_one_line

if __name__ == "__main__":
    args = argument_parser(__doc__).parse_args()
    with bad_input_in_one_line():
        convert_imagenet_det(args.root, args.output, box_rule=args.box_rule)
