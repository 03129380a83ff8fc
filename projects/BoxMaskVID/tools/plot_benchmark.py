#!/usr/bin/env python3
"""Plot reports of benchmark.py: stages of one, or a sweep of a config key over many."""

import argparse
from pathlib import Path

from boxmask_vid.apps.speed.speed_plot import plot_stages, plot_sweep
from boxmask_vid.engine import errors_in_one_line
from boxmask_vid.files import read_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("--sweep", metavar="KEY", help="the config key that the files differ in")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE.png")
    args = parser.parse_args()
    with errors_in_one_line():
        reports = [read_json(path) for path in args.files]
        if args.sweep:
            plot_sweep(reports, args.sweep, args.output)
        else:
            plot_stages(reports[0], args.output)
        print(f"{args.output}: written")
