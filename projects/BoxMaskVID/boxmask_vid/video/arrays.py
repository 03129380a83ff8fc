"""Arrays as frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch

from ..errors import InputError
from .frame_source import Frame, FrameSource

KINDS = "give (height, width), (height, width, 3) BGR or (height, width, 4) BGRA of uint8 or uint16"


class ArraySource(FrameSource):
    """Frames from memory, or from an iterable that can be read once."""

    def __init__(self, frames: Iterable[object], fps: float | None = None) -> None:
        """
        Raises:
            InputError: if it is one picture, where a sequence of them is wanted.
        """
        if isinstance(frames, np.ndarray) and (
            frames.ndim < 3 or (frames.shape[-1] in (3, 4) and frames.ndim == 3)
        ):
            raise InputError(
                f"The frames are one array of shape {frames.shape}, which is one picture: give a "
                "list of pictures, [picture]."
            )
        self._frames = frames
        if isinstance(frames, (Sequence, np.ndarray)):
            self.length = len(frames)
        if fps:
            self.fps = fps

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(self._frames):
            image = as_bgr(frame, number)
            if image is frame and self.length is None:  # it may be the memory of the next frame
                image = image.copy()
            yield Frame(number, number / self.fps, image)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        frames = self._frames
        assert isinstance(frames, (Sequence, np.ndarray))
        return [as_bgr(frames[index], index) for index in indices]


def as_bgr(frame: object, index: int) -> np.ndarray:
    """Convert a grey, BGR or BGRA picture of 8 or 16 bits to (H, W, 3) uint8.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 or uint16.
        index: number of the frame, for the error message.

    Raises:
        InputError: if the frame is anything else.
    """
    if isinstance(frame, (str, os.PathLike)):
        raise InputError(
            f"Frame {index} is the path {os.fspath(frame)}, of something that gives paths in any "
            "order: give a list of them in the right one, or the glob itself ('folder/*.png')."
        )
    if not isinstance(frame, np.ndarray):
        raise InputError(f"Frame {index} is {described(frame)}: {KINDS}.")
    channels = 1 if frame.ndim == 2 else frame.shape[-1] if frame.ndim else 0
    known_shape = frame.ndim in (2, 3) and channels in (1, 3, 4) and frame.size
    if not known_shape or frame.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"Frame {index} is an array of shape {frame.shape} and type {frame.dtype}: {KINDS}."
        )
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)  # as cv2.imread does
    if channels == 1:
        return cv2.cvtColor(frame.reshape(frame.shape[:2]), cv2.COLOR_GRAY2BGR)
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR) if channels == 4 else frame


def described(value: object) -> str:
    """What a value is that should be frames or a frame, in a few words."""
    if value is None:
        return "None, as OpenCV gives for what it cannot read"
    if isinstance(value, torch.Tensor):
        return (
            f"a tensor of shape {tuple(value.shape)} and type {value.dtype} (its .cpu().numpy() is "
            "an array)"
        )
    return f"of type {type(value).__name__}"
