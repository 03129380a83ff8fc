#!/usr/bin/env python3
"""Compare a GPU with the CPU: detections, time and memory of each kind of model."""

from boxmask_vid.apps.speed.gpu_check import argument_parser, run
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        run(args)
