#!/usr/bin/env python3
"""Speed and memory of a model, beside the formulation of the papers; see ``--help``."""

from boxmask_vid.apps.speed.model_speed import argument_parser, run_benchmark
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        run_benchmark(args)
