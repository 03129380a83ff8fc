#!/usr/bin/env python3
"""Plot reports of benchmark.py: stages of one, or a sweep of a config key over many."""

from boxmask_vid.apps.speed.speed_plot import argument_parser, plot
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        plot(args)
