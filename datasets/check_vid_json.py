#!/usr/bin/env python3
"""Check a COCO-VID JSON; the exit status is 1 if there are errors."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("check")
