#!/usr/bin/env python3
"""Speed of reading frames of video files, in place, beside JPEG files; and wrong frames."""

import argparse
import tempfile
from pathlib import Path

from boxmask_vid.apps.speed.decoding_speed import run_benchmark

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_benchmark(Path(folder))
