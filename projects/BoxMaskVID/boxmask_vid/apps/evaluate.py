"""The command ``boxmask-vid evaluate``: ``train_net.py --eval-only``."""

from __future__ import annotations

import argparse

from .. import engine
from ..engine import run

__all__ = ["argument_parser", "run"]


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``boxmask-vid evaluate``."""
    parser = argparse.ArgumentParser(
        parents=[engine.argument_parser()],
        add_help=False,
        conflict_handler="resolve",
        usage="%(prog)s [options] [KEY VALUE ...]",
    )
    parser.add_argument("--eval-only", action="store_true", default=True, help=argparse.SUPPRESS)
    parser.add_argument(
        "--resume", action="store_true", help="run only the videos that were not finished"
    )
    parser.add_argument(
        "--detections",
        metavar="JSON",
        help="score this file of COCO results instead of running the model",
    )
    return parser
