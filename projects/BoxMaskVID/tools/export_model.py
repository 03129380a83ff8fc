#!/usr/bin/env python3
"""Export a trained model as TorchScript and ONNX; see ``--help`` and the README."""

from boxmask_vid.apps.export.command import argument_parser, run
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    args = argument_parser().parse_args()
    with errors_in_one_line():
        run(args)
