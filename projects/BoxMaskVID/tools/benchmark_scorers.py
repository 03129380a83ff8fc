#!/usr/bin/env python3
"""Time and memory of the scorers on random data of the size of ImageNet VID val."""

import argparse
from pathlib import Path

from boxmask_vid.apps.speed.scorer_speed import (
    measure,
    run_pycocotools,
    run_scorers,
    write_benchmark,
)
from boxmask_vid.evaluation.scores import DRAWS

VIDEOS, FRAMES, BOXES = 555, 176_126, 273_505

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the data (2 GB)")
    parser.add_argument("--share", type=float, default=1, help="of the size of ImageNet VID val")
    parser.add_argument("--per-frame", type=int, default=100, help="detections")
    parser.add_argument("--pycocotools", action="store_true", help="instead of our own scorers")
    args = parser.parse_args()
    frames = round(FRAMES * args.share)
    write_benchmark(
        args.folder,
        videos=max(1, round(VIDEOS * args.share)),
        frames=frames,
        boxes=round(BOXES * args.share),
        per_frame=args.per_frame,
    )
    runs = {f"own, {draws} draws": (run_scorers, args.folder, draws) for draws in (0, DRAWS)}
    if args.pycocotools:
        runs = {"pycocotools": (run_pycocotools, args.folder)}
    print(f"{frames} frames, {args.per_frame} detections each; seconds, peak memory in GB")
    for name, call in runs.items():
        values = measure(*call)
        print(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in values.items()))
