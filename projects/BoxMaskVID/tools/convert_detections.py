#!/usr/bin/env python3
"""Write detections in formats of other tools (CVAT, MOTChallenge, YOLO, ...); see ``--help``."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("convert-detections")
