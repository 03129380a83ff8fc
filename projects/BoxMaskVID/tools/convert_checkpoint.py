#!/usr/bin/env python3
"""Convert a checkpoint of mmtracking, or a backbone of torchvision or mmdetection."""

import argparse
from pathlib import Path

from detectron2.modeling import build_model

from boxmask_vid.checkpoint import convert_checkpoint
from boxmask_vid.engine import build_cfg, errors_in_one_line

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path, metavar="IN.pth")
    parser.add_argument("output", type=Path, metavar="OUT.pth")
    parser.add_argument(
        "--config-file", required=True, metavar="CFG", help="config file of the model"
    )
    args = parser.parse_args()
    with errors_in_one_line():
        model = build_model(build_cfg(args.config_file, ["MODEL.DEVICE", "cpu"]))
        count = convert_checkpoint(args.input, args.output, model)
        print(f"{args.output}: {count} tensors, for MODEL.WEIGHTS with {args.config_file}")
