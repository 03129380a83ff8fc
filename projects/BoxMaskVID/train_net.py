#!/usr/bin/env python3
"""Train and evaluate; see ``--help`` and the README."""

from boxmask_vid.engine import argument_parser, errors_in_one_line, run

if __name__ == "__main__":
    with errors_in_one_line():
        run(argument_parser().parse_args())
