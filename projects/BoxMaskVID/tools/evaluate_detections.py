#!/usr/bin/env python3
"""Score any detector's COCO results on a COCO-VID ground truth, by three scorers and by motion."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("score")
