#!/usr/bin/env python3
"""Score any detector's COCO results on a COCO-VID ground truth, by three scorers and by motion."""

import argparse
from pathlib import Path

from boxmask_vid.engine import errors_in_one_line
from boxmask_vid.evaluation import SCORERS, GroundTruth, read_detections, score
from boxmask_vid.evaluation.scores import DRAWS
from boxmask_vid.evaluation.tables import class_table, headline_table, metrics_json
from boxmask_vid.files import write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    parser.add_argument("--detections", required=True, metavar="DET.json", help="COCO results")
    parser.add_argument(
        "--scorer", nargs="+", choices=SCORERS, default=SCORERS, help="default: all"
    )
    parser.add_argument("--output", type=Path, metavar="metrics.json", help="scores, from 0 to 1")
    parser.add_argument(
        "--draws", type=int, default=DRAWS, help="draws of videos for 95 %% intervals; 0: none"
    )
    args = parser.parse_args()
    with errors_in_one_line():
        ground_truth = GroundTruth.read(args.gt)
        detections = read_detections(args.detections, ground_truth)
        scores = score(ground_truth, detections, scorers=args.scorer, draws=args.draws)
        print(f"{headline_table(scores)}\n\n{class_table(scores)}")
        if args.output:
            write_json(args.output, metrics_json(scores))
            print(f"\nWrote {args.output}")
