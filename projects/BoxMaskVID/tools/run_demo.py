#!/usr/bin/env python3
"""Data, training, evaluation and detection on synthetic videos; see ``--help``."""

from pathlib import Path

from boxmask_vid.apps.quickstart import Quickstart, argument_parser
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        Quickstart(Path(__file__).resolve().parents[3], args.output, args.seed).run()
