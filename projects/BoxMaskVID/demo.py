#!/usr/bin/env python3
"""Detect on videos and write annotated videos; see ``--help`` and the README."""

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.engine.demo import argument_parser, run

if __name__ == "__main__":
    with bad_input_in_one_line():
        run(argument_parser().parse_args())
