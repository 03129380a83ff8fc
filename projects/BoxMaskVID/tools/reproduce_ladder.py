#!/usr/bin/env python3
"""Train and measure the ladder of the papers, single frames to BoxMask; see ``--help``."""

from pathlib import Path

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.engine.ladder.reproduce import argument_parser, reproduce

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with bad_input_in_one_line():
        reproduce(args, Path(__file__).resolve().parents[3])
