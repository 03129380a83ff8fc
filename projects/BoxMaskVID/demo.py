#!/usr/bin/env python3
"""Detect on videos and write annotated videos; see ``--help`` and the README."""

from boxmask_vid.apps.video_demo.demo import argument_parser, run
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    with errors_in_one_line():
        run(argument_parser().parse_args())
