"""From videos to annotated videos."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import Metadata
from detectron2.utils.video_visualizer import VideoVisualizer

from ..errors import BadInput
from ..progress import progress
from ..video import VideoWriter, open_frames
from .predictor import VideoPredictor
from .setup import build_cfg


def argument_parser() -> argparse.ArgumentParser:
    """The options of ``demo.py``."""
    parser = argparse.ArgumentParser(description="Detect objects in videos and draw them.")
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument(
        "--input", required=True, nargs="+", metavar="PATH", help="video files or image folders"
    )
    parser.add_argument(
        "--output", required=True, type=Path, help="mp4 file; a folder for several inputs"
    )
    parser.add_argument("--fps", type=float, help="of the output (default: that of the input)")
    parser.add_argument("--threshold", type=float, default=0.5, help="lowest score to draw")
    parser.add_argument(
        "--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="config options"
    )
    return parser


def run(args: argparse.Namespace) -> None:
    """Annotate every input.

    Raises:
        BadInput: if there are no weights, or an input cannot be read.
    """
    cfg = build_cfg(args.config_file, args.opts)
    if not cfg.MODEL.WEIGHTS:
        raise BadInput("There are no weights: add '--opts MODEL.WEIGHTS FILE'.")
    outputs = _outputs(args.input, args.output)
    predictor = VideoPredictor(cfg)
    metadata = _metadata(cfg)
    for path, output in outputs:
        source = open_frames(path)
        found = progress(predictor.predict_video(path), total=len(source), what="frame")
        visualizer = VideoVisualizer(metadata)
        with VideoWriter(output, args.fps or source.fps) as writer:
            for each in found:
                writer.write(_drawn(visualizer, each, args.threshold))
        print(f"{path}: {len(source)} frames -> {output}")


def _outputs(inputs: list[str], output: Path) -> list[tuple[str, Path]]:
    if len(inputs) == 1 and output.suffix:
        if output.suffix != ".mp4":
            raise BadInput(f"--output {output}: only .mp4 is written, or a folder of .mp4 files.")
        return [(inputs[0], output)]
    outputs = [(each, output / f"{Path(each).stem}.mp4") for each in inputs]
    if len({file for _, file in outputs}) < len(outputs):
        raise BadInput(
            f"Two of the inputs {', '.join(inputs)} would be written to the same file below "
            f"{output}: rename them or run them one by one."
        )
    return outputs


def _drawn(visualizer: VideoVisualizer, found: dict, threshold: float) -> np.ndarray:
    """The frame with the detections that reach the threshold, BGR."""
    instances = found["instances"].to("cpu")
    instances = instances[instances.scores >= threshold]
    frame = cv2.cvtColor(found["image"], cv2.COLOR_BGR2RGB)
    drawn = visualizer.draw_instance_predictions(frame, instances).get_image()
    return cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)


def _metadata(cfg: CfgNode) -> Metadata:
    """Class names for the drawing."""
    numbered = [f"class {index}" for index in range(cfg.MODEL.ROI_HEADS.NUM_CLASSES)]
    return Metadata(thing_classes=list(cfg.MODEL.VID.CLASS_NAMES) or numbered)
