#!/usr/bin/env python3
"""Write an error analysis of any detector's COCO results as one HTML page."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("report")
