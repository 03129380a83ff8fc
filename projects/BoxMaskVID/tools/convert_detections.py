#!/usr/bin/env python3
"""Write detections in formats of other tools (CVAT, MOTChallenge, YOLO, ...); see ``--help``."""

from boxmask_vid.apps.result_formats.command import argument_parser, run
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        run(args)
