#!/usr/bin/env python3
"""Write an error analysis of any detector's COCO results as one HTML page."""

import argparse
from pathlib import Path

from boxmask_vid.apps.report import ReportData, write_report
from boxmask_vid.engine import errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gt", required=True, metavar="GT.json", help="COCO-VID ground truth")
    parser.add_argument("--detections", required=True, metavar="DET.json", help="COCO results")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="ROOT",
        help="folder that file_name of the ground truth is relative to, for pictures",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="report.html")
    args = parser.parse_args()
    with errors_in_one_line():
        write_report(args.output, ReportData.read(args.gt, args.detections), args.images)
        print(f"Wrote {args.output}")
