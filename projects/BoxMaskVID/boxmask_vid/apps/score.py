"""The command ``boxmask-vid score``: AP of any detector's COCO results."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..evaluation import SCORERS, GroundTruth, read_detections, score
from ..evaluation.scores import DRAWS
from ..evaluation.tables import class_table, headline_table, metrics_json
from ..files import refuse_overwriting, write_json


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/evaluate_detections.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    add("--detections", required=True, metavar="DET.json", help="COCO results")
    add(
        "--scorer",
        nargs="+",
        choices=SCORERS,
        default=SCORERS,
        metavar="SCORER",
        help=f"some of {', '.join(SCORERS)} (default: all)",
    )
    add("--output", type=Path, metavar="metrics.json", help="scores, from 0 to 1")
    add("--draws", type=int, default=DRAWS, help="draws of videos for 95 %% intervals; 0: none")
    return parser


def run(args: argparse.Namespace) -> None:
    """Print the scores of a file of detections, and write them.

    Raises:
        FileNotFoundError: if a file does not exist.
        InputError: if a file is invalid, or the output cannot be written.
    """
    refuse_overwriting({"--output": args.output}, [Path(args.gt), Path(args.detections)])
    ground_truth = GroundTruth.read(args.gt)
    detections = read_detections(args.detections, ground_truth)
    scores = score(ground_truth, detections, scorers=args.scorer, draws=args.draws)
    print(f"{headline_table(scores)}\n\n{class_table(scores)}")
    if args.output:
        write_json(args.output, metrics_json(scores))
        print(f"\nWrote {args.output}")
