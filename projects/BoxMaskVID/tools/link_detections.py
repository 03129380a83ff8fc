#!/usr/bin/env python3
"""Rescore any detector's COCO results along the video; see ``--help``."""

from boxmask_vid.apps.linking import argument_parser, run
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        run(args)
