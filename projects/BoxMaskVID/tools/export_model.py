#!/usr/bin/env python3
"""Export a trained model as TorchScript and ONNX; see ``--help`` and the README."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("export")
