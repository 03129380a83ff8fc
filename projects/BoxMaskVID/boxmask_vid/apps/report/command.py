"""The command of ``tools/analyze_detections.py``: an error analysis as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...files import refuse_overwriting
from .page import write_report
from .report_data import ReportData


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/analyze_detections.py``."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    add("--detections", required=True, metavar="DET.json", help="COCO results")
    add(
        "--images",
        type=Path,
        metavar="ROOT",
        help="folder that file_name of the ground truth is relative to, for pictures",
    )
    add("--output", type=Path, required=True, metavar="report.html")
    return parser


def run(args: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        FileNotFoundError: if a file does not exist.
        InputError: if a file is invalid, or the page cannot be written.
    """
    refuse_overwriting({"--output": args.output}, [Path(args.gt), Path(args.detections)])
    write_report(args.output, ReportData.read(args.gt, args.detections), args.images)
    print(f"Wrote {args.output}")
