#!/usr/bin/env python3
"""Compare two sets of detections: a difference, or only the choice of videos?"""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("compare")
