#!/usr/bin/env python3
"""Convert the annotations of videos to COCO-VID JSON; datasets/README.md describes the formats."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("convert")
