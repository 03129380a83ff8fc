"""The command of ``tools/link_detections.py``: rescore a file of detections along its videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...evaluation import Detections, GroundTruth, read_detections, score, write_detections
from ...evaluation.scores import compare
from ...evaluation.tables import comparison_table
from ...files import refuse_overwriting
from .link_classifier import LinkClassifier
from .videos import learn_links, with_seq_nms, with_tubelets


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/link_detections.py``."""
    parser = argparse.ArgumentParser()
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
        "--rescoring",
        choices=("average", "max"),
        default="average",
        help="score of a sequence, for seq_nms",
    )
    parser.add_argument(
        "--smoothing",
        type=float,
        default=0.6,
        metavar="FRAMES",
        help="standard deviation of the smoothing of boxes, for repp; 0: none",
    )
    parser.add_argument(
        "--learn-from", metavar="TRAIN_GT.json", help="tracks that repp learns its links from"
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Link a file of detections, write the result, and print the scores before and after.

    Raises:
        InputError: if a value in a file is invalid, or the output cannot be written.
        FileNotFoundError: if a file does not exist.
    """
    refuse_overwriting({"--output": args.output}, [Path(args.gt), Path(args.detections)])
    ground_truth = GroundTruth.read(args.gt)
    before = read_detections(args.detections, ground_truth)
    after = _linked(args, ground_truth, before)
    write_detections(args.output, after, ground_truth)
    print(f"A: {args.detections}, {len(before)} detections")
    print(f"B: {args.output}, {len(after)} detections, written after {args.method}")
    print(comparison_table(compare(score(ground_truth, before), score(ground_truth, after))))


def _linked(
    args: argparse.Namespace, ground_truth: GroundTruth, detections: Detections
) -> Detections:
    if args.method == "seq_nms":
        return with_seq_nms(ground_truth, detections, rescoring=args.rescoring)
    classifier = LinkClassifier()
    if args.learn_from:
        classifier = learn_links(GroundTruth.read(args.learn_from))
        print(f"Learned: {classifier}")
    return with_tubelets(ground_truth, detections, classifier=classifier, smoothing=args.smoothing)
