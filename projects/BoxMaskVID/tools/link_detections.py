#!/usr/bin/env python3
"""Rescore any detector's COCO results along the video; see ``--help``."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("link")
