#!/usr/bin/env python3
"""Speed and memory of a model, beside the formulation of the papers; see ``--help``."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("speed")
