"""Detectors of torchvision beside ours: what a user would take instead."""

from __future__ import annotations

import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from torch import nn

from ...errors import InputError, suggestion
from ...video import VideoWriter, open_frames
from .cost import GIB, CostCounter, peak_bytes

LOWEST_SCORE = 0.5  # of the boxes that are drawn


def check_names(names: Iterable[str]) -> None:
    """Raise InputError if torchvision has no detector of a name."""
    known = torchvision.models.list_models(module=torchvision.models.detection)
    for name in names:
        if name not in known:
            raise InputError(f"torchvision has no detector '{name}': {suggestion(name, known)}")


def build_other_detector(name: str) -> nn.Module:
    """A detector of torchvision with random weights, for images with values from 0 to 1."""
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None, weights_backbone=None).eval()


def work_beside(pipe: Connection, name: str, threads: int, images: list[torch.Tensor]) -> None:
    """Detect in an image for every message, until None; then send the cost of an image.

    Args:
        pipe: messages are numbers of images.
        name: of the detector.
        threads: CPU threads.
        images: (3, H, W) uint8, used in turn.
    """
    torch.set_num_threads(threads)
    model = build_other_detector(name)

    def step(index: int) -> None:
        with torch.inference_mode():
            model([images[index % len(images)].float() / 255])

    while (index := pipe.recv()) is not None:
        start = time.perf_counter()
        step(index)
        pipe.send({"total": time.perf_counter() - start, "peak_gib": peak_bytes() / GIB})
    with CostCounter() as counter:
        step(0)
    pipe.send({"tflops": counter.flops / 1e12, "gib_moved": counter.bytes / GIB})


def annotate_beside(name: str, threads: int, clip: str, output: Path) -> None:
    """Read a video, detect, draw boxes and write it, as a user of torchvision would."""
    torch.set_num_threads(threads)
    model = build_other_detector(name)
    frames = open_frames(clip)
    with VideoWriter(output, 25) as video:
        for image in frames:
            tensor = torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).copy()).float() / 255
            with torch.inference_mode():
                (found,) = model([tensor])
            video.write(_drawn(image, found))


def _drawn(image: np.ndarray, found: dict[str, torch.Tensor]) -> np.ndarray:
    drawn = image.copy()
    for left, top, right, bottom in found["boxes"][found["scores"] >= LOWEST_SCORE].int().tolist():
        cv2.rectangle(drawn, (left, top), (right, bottom), (0, 255, 0), 2)
    return drawn
