#!/usr/bin/env python3
"""Train and measure single frames, SELSA, TROI and BoxMask; see ``--help``."""

from pathlib import Path

from boxmask_vid.apps.ablation.reproduce import argument_parser, reproduce
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        reproduce(args, Path(__file__).resolve().parents[3])
