#!/usr/bin/env python3
"""Train and evaluate; see ``--help`` and the README."""

from boxmask_vid.engine import argument_parser, bad_input_in_one_line, run

if __name__ == "__main__":
    with bad_input_in_one_line():
        run(argument_parser().parse_args())
