"""Base class of all sources of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .video_file import DEFAULT_FPS


class Frame(NamedTuple):
    """A picture of a video."""

    number: int  # from 0; numbers of frames that cannot be decoded are left out
    time: float  # when it is shown (of a camera: when it came), in seconds from the first one
    image: np.ndarray  # (H, W, 3) BGR uint8


class FrameSource(ABC):
    """Frames in order."""

    fps: float = DEFAULT_FPS  # frames per second, on average
    files: Sequence[Path] | None = None  # image file of each frame; None for other sources
    paths: Sequence[Path] = ()  # files that it reads; none of cameras and addresses
    length: int | None = None  # one more than the last number; None if it can be read only once
    has_clock: bool = False  # whether times are those of the frames, not those of a rate
    is_constant: bool = True  # whether frame i is shown at i / fps
    is_repeatable: bool = True  # whether the same frames come when it is opened again
    pixel_aspect: Fraction = Fraction(1)  # width of a pixel over its height
    fault: str = ""  # what is known to be missing, in a sentence
    dropped: int = 0  # frames that came too fast to be looked at

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Read all frames that can be read, then raise InputError if there are others."""

    @abstractmethod
    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Read the frames of sorted numbers; a number may repeat.

        In place of one that cannot be decoded it gives one beside it.
        """

    def close(self) -> None:  # noqa: B027
        """Let a camera or a stream go that is not read to its end."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return (frame.image for frame in self.frames())
