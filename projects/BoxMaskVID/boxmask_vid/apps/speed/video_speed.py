"""Frames a second of a whole video: reading, detection, tracking, drawing and writing.

``boxmask-vid detect`` runs on a synthetic clip and on its first frame; the difference is what the
other frames take, without the start of the program.
"""

from __future__ import annotations

import functools
import math
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from ...errors import InputError
from ...video import VideoWriter
from ..dataset_tools import Scene, render_video
from .other_detectors import annotate_beside

SIZE = 360, 640  # height and width of the clip
FPS = 25
BOXES = 5  # in each frame, with random weights


def time_videos(
    cfg: CfgNode, beside: Sequence[str], *, seconds: float, threads: int
) -> dict[str, dict[str, float]]:
    """Time a model and detectors of torchvision on a clip.

    Args:
        cfg: config of the model; without ``MODEL.WEIGHTS`` weights are random, and every frame has
            ``BOXES`` detections.
        beside: names of detectors of torchvision.
        seconds: length of the clip.
        threads: CPU threads.

    Returns:
        for "ours" and each other name ``seconds`` of the program, ``frames_per_second`` without its
        start, and ``real_time``: seconds of the clip for a second of the program.

    Raises:
        InputError: if ``boxmask-vid detect`` fails.
    """
    results = {}
    with TemporaryDirectory() as folder:
        root = Path(folder)
        clips = [root / "frame.mp4", root / "clip.mp4"]
        count = max(round(seconds * FPS), 2)
        for clip, frames in zip(clips, (1, count), strict=True):
            _write_clip(clip, frames)
        detect = functools.partial(_detect, _prepared(cfg, root / "ours"), root, threads)
        runs: dict[str, Callable[[Path], None]] = {"ours": detect}
        for name in beside:
            runs[name] = functools.partial(_beside, name, root, threads)
        for name, run in runs.items():
            start, whole = (_seconds(run, clip) for clip in clips)
            results[name] = {
                "seconds": whole,
                "frames_per_second": (count - 1) / max(whole - start, 1e-9),
                "real_time": count / FPS / whole,
            }
    return results


def _write_clip(path: Path, count: int) -> None:
    with VideoWriter(path, FPS) as video:
        for frame, _ in render_video(Scene(count, 0.5), (0, 0)):
            video.write(cv2.resize(frame, SIZE[::-1]))


def _prepared(cfg: CfgNode, folder: Path) -> Path:
    """Config file of a side, with weights."""
    folder.mkdir()
    cfg = cfg.clone()
    cfg.defrost()
    if not cfg.MODEL.WEIGHTS:
        cfg.MODEL.WEIGHTS = str(folder / "random.pth")
        cfg.TEST.DETECTIONS_PER_IMAGE = BOXES
        torch.manual_seed(0)
        model = build_model(cfg)
        classes = cfg.MODEL.ROI_HEADS.NUM_CLASSES
        with torch.no_grad():  # a probability of about 2 / 3 for the first class
            model.roi_heads.box_predictor.cls_score.bias[0] = math.log(2 * classes)
        torch.save({"model": model.state_dict()}, cfg.MODEL.WEIGHTS)
    (folder / "config.yaml").write_text(cfg.dump())
    return folder / "config.yaml"


def _detect(config: Path, folder: Path, threads: int, clip: Path) -> None:
    words = [sys.executable, "-m", "boxmask_vid.cli", "detect", str(clip)]
    words += ["--config-file", str(config), "--tracks", "--output", str(folder / "out.mp4")]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"boxmask-vid detect failed: {done.stderr.strip()[-500:]}")


def _beside(name: str, folder: Path, threads: int, clip: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = (name, threads, str(clip), folder / "out.mp4")
    process = context.Process(target=annotate_beside, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise InputError(f"The detector {name} failed on {clip}: see above.")


def _seconds(run: Callable[[Path], None], clip: Path) -> float:
    start = time.perf_counter()
    run(clip)
    return time.perf_counter() - start
