#!/usr/bin/env python3
"""Convert a checkpoint of mmtracking, or a backbone of torchvision or mmdetection."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("convert-checkpoint")
