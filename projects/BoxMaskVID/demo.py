#!/usr/bin/env python3
"""Detect on videos and write annotated videos; see ``--help`` and the README."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("detect")
