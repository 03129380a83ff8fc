#!/usr/bin/env python3
"""Time and memory of the scorers on random data of the size of ImageNet VID val."""

from boxmask_vid.apps.speed.scorer_speed import argument_parser, run_benchmark

if __name__ == "__main__":
    run_benchmark(argument_parser().parse_args())
