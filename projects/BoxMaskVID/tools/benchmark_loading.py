#!/usr/bin/env python3
"""Time and memory of the training loader on a generated JSON of the size of ImageNet VID."""

from boxmask_vid.apps.speed.loading_speed import argument_parser, run_benchmark

if __name__ == "__main__":
    run_benchmark(argument_parser().parse_args())
