#!/usr/bin/env python3
"""Export a trained model as TorchScript and ONNX; see ``--help`` and the README."""

from boxmask_vid.engine import bad_input_in_one_line
from boxmask_vid.export.command import argument_parser, run

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with bad_input_in_one_line():
        run(args)
