"""Degradations of video frames: motion blur, defocus, noise, darkness and lost colour.

They are drawn frame by frame. The place of an object stays visible while the features of its class
are lost, so that a frame is hard alone and easy with its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np


def degrade(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    """Degrade a frame (H, W, 3) and convert it to uint8.

    Probability and strength of the degradations grow with ``strength``; 0 leaves frames clean.
    """
    degradations: tuple[Callable, ...] = (_motion_blur, _defocus, _noise, _darkness, _greyness)
    if rng.random() < min(0.55 * strength, 0.95):
        chosen = rng.choice(len(degradations), size=2, replace=False)
        for index in chosen:
            frame = degradations[index](rng, frame, strength)
    return np.clip(frame, 0, 255).round().astype(np.uint8)


def _motion_blur(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    length = int(rng.uniform(7, 17) * strength) | 1
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1 / length
    angle = rng.uniform(0, 180)
    matrix = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), angle, 1)
    kernel = cv2.warpAffine(line, matrix, (length, length))
    return cv2.filter2D(frame, -1, kernel / kernel.sum())


def _defocus(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    return cv2.GaussianBlur(frame, (0, 0), rng.uniform(1.5, 3.5) * strength)


def _noise(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    return frame + rng.normal(0, rng.uniform(20, 50) * strength, frame.shape)


def _darkness(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    keep = 1 - min(rng.uniform(0.5, 0.8) * strength, 0.95)
    return frame * keep + rng.normal(0, 6 * strength, frame.shape)


def _greyness(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    lost = min(rng.uniform(0.7, 1.0) * strength, 1.0)
    return frame * (1 - lost) + frame.mean(axis=2, keepdims=True) * lost
