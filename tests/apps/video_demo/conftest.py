"""Weights and a clip for demo.py."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.video import VideoWriter
from support.demo_runs import FRAMES, options, write_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return write_weights(tmp_path_factory.mktemp("weights") / "model.pth")


@pytest.fixture(scope="module")
def opts(weights) -> list[str]:
    """Config options of the smallest model."""
    return options(weights)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """A video of an odd size and an odd rate."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    noise = np.random.default_rng(0)
    with VideoWriter(path, 12.5) as writer:
        for _ in range(FRAMES):
            small = noise.integers(0, 256, (9, 13, 3), np.uint8)
            writer.write(cv2.resize(small, (93, 61), interpolation=cv2.INTER_CUBIC))
    return path
