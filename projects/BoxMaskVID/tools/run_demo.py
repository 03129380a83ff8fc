#!/usr/bin/env python3
"""The main job on synthetic videos: data, training, evaluation, prediction; see ``--help``."""

from pathlib import Path

from boxmask_vid.apps.quickstart import Quickstart, argument_parser
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        Quickstart(Path(__file__).resolve().parents[3], args.output, args.seed).run()
