#!/usr/bin/env python3
"""Rescore any detector's COCO results along the video, and say what that does to AP."""

import argparse
from pathlib import Path

from boxmask_vid.apps.linking import LinkClassifier, learn_links, with_seq_nms, with_tubelets
from boxmask_vid.engine import errors_in_one_line
from boxmask_vid.evaluation import GroundTruth, read_detections, score, write_detections
from boxmask_vid.evaluation.comparison import compare, comparison_table

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    parser.add_argument("--detections", required=True, metavar="DET.json", help="COCO results")
    parser.add_argument(
        "--method",
        choices=("seq_nms", "repp"),
        required=True,
        help="seq_nms: best paths of overlapping boxes (Han et al. 2016); repp: tubelets of boxes "
        "that a logistic regression links (Sabater et al. 2020)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="OUT.json")
    parser.add_argument(
        "--rescoring", choices=("average", "max"), default="average", help="of seq_nms"
    )
    parser.add_argument(
        "--smoothing", type=float, default=0.6, metavar="FRAMES", help="of boxes, for repp; 0: none"
    )
    parser.add_argument(
        "--learn-from", metavar="TRAIN_GT.json", help="tracks that repp learns its links from"
    )
    args = parser.parse_args()
    with errors_in_one_line():
        ground_truth = GroundTruth.read(args.gt)
        before = read_detections(args.detections, ground_truth)
        if args.method == "seq_nms":
            after = with_seq_nms(ground_truth, before, rescoring=args.rescoring)
        else:
            classifier = LinkClassifier()
            if args.learn_from:
                classifier = learn_links(GroundTruth.read(args.learn_from))
                print(f"Learned: {classifier}")
            options = {"classifier": classifier, "smoothing": args.smoothing}
            after = with_tubelets(ground_truth, before, **options)
        write_detections(args.output, after, ground_truth)
        print(f"A: {args.detections}, {len(before)} detections")
        print(f"B: {args.output}, {len(after)} detections, written after {args.method}")
        scores = (score(ground_truth, each) for each in (before, after))
        print(comparison_table(compare(*scores)))
