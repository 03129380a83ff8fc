"""The command ``boxmask-vid compare``: a difference, or only the choice of videos?"""

from __future__ import annotations

import argparse

from ..evaluation import SCORERS, GroundTruth, agreement, read_detections, score
from ..evaluation.scores import compare
from ..evaluation.tables import comparison_table


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/compare_detections.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    add("detections", nargs=2, metavar="DET.json", help="COCO results")
    add(
        "--scorer",
        nargs="+",
        choices=SCORERS,
        default=SCORERS,
        metavar="SCORER",
        help=f"some of {', '.join(SCORERS)} (default: all)",
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Print scores of two files of detections, intervals of their differences, and those of boxes.

    Raises:
        FileNotFoundError: if a file does not exist.
        InputError: if a file is invalid.
    """
    ground_truth = GroundTruth.read(args.gt)
    detections = [read_detections(path, ground_truth) for path in args.detections]
    first, second = (score(ground_truth, found, scorers=args.scorer) for found in detections)
    print(comparison_table(compare(first, second)))
    print(agreement(*detections))
