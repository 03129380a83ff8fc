#!/usr/bin/env python3
"""Time, memory and arithmetic per frame, beside the plain formulation; see ``--help``."""

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.engine.benchmark import argument_parser, run_benchmark

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with bad_input_in_one_line():
        run_benchmark(args)
