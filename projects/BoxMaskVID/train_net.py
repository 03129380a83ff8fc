#!/usr/bin/env python3
"""Train and evaluate; see ``--help`` and the README."""

from boxmask_vid.cli import run_script

if __name__ == "__main__":
    run_script("train")
