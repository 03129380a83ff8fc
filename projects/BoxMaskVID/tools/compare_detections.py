#!/usr/bin/env python3
"""Compare two sets of detections: a difference, or only the choice of videos?"""

import argparse

from boxmask_vid.engine import errors_in_one_line
from boxmask_vid.evaluation import SCORERS, GroundTruth, read_detections, score
from boxmask_vid.evaluation.scores import compare
from boxmask_vid.evaluation.tables import comparison_table

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    parser.add_argument("detections", nargs=2, metavar="DET.json", help="COCO results")
    parser.add_argument(
        "--scorer", nargs="+", choices=SCORERS, default=SCORERS, help="default: all"
    )
    args = parser.parse_args()
    with errors_in_one_line():
        ground_truth = GroundTruth.read(args.gt)
        first, second = (
            score(ground_truth, read_detections(path, ground_truth), scorers=args.scorer)
            for path in args.detections
        )
        print(comparison_table(compare(first, second)))
