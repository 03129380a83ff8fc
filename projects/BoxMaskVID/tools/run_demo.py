#!/usr/bin/env python3
"""The main job on synthetic videos: data, training, evaluation, prediction; see ``--help``."""

from pathlib import Path

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.engine.quickstart import Quickstart, argument_parser

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with bad_input_in_one_line():
        Quickstart(Path(__file__).resolve().parents[3], args.output, args.seed).run()
