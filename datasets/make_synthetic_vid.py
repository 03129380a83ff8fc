#!/usr/bin/env python3
"""Make a small data set of synthetic videos in the ILSVRC2015 layout."""

import argparse
from pathlib import Path

from boxmask_vid.apps.dataset_tools.synthetic import make_synthetic_vid
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="root of the tree; created if it does not exist")
    parser.add_argument("--videos", type=int, default=40, help="number of videos")
    parser.add_argument(
        "--val-videos", type=int, help="number of validation videos among them (default: a quarter)"
    )
    parser.add_argument("--frames", type=int, default=24, help="frames per training video")
    parser.add_argument(
        "--val-frames", type=int, help="frames per validation video (default: as --frames)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed that determines everything")
    parser.add_argument(
        "--degradation",
        type=float,
        default=1.0,
        help="strength of blur, defocus, noise and darkness; 0 for clean frames",
    )
    args = parser.parse_args()
    with errors_in_one_line():
        sheet = make_synthetic_vid(
            args.output,
            videos=args.videos,
            frames=args.frames,
            seed=args.seed,
            degradation=args.degradation,
            val_videos=args.val_videos,
            val_frames=args.val_frames,
        )
    print(f"wrote {args.videos} videos under {args.output}; look at {sheet}")
