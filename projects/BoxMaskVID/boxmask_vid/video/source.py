"""Frames to read: arrays, image files or a video file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..errors import BadInput

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
DEFAULT_FPS = 25.0  # of frames without a clock


class FrameSource(ABC):
    """A finite sequence of frames, each (H, W, 3) BGR uint8, that can be read more than once.

    Attributes:
        fps: frames per second.
    """

    fps: float = DEFAULT_FPS

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]: ...

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        """The frames of sorted numbers; a number may repeat."""
        picked = {}
        wanted = set(indices)
        for index, frame in enumerate(self):
            if index in wanted:
                picked[index] = frame
            if len(picked) == len(wanted):
                break
        return [picked[index] for index in indices]


class ArraySource(FrameSource):
    """Frames in memory."""

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield from self._frames


class ImageSource(FrameSource):
    """Image files, in the order of their names."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            BadInput: if the folder has no images.
        """
        self._files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        if not self._files:
            raise BadInput(f"The folder {folder} has no images ({', '.join(IMAGE_SUFFIXES)}).")

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._read, self._files)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        return [self._read(self._files[index]) for index in indices]

    def _read(self, file: Path) -> np.ndarray:
        frame = cv2.imread(str(file))
        if frame is None:
            raise BadInput(f"The image {file} cannot be read: replace it.")
        return frame


class VideoFileSource(FrameSource):
    """A video file; its frames are counted by decoding, since headers lie."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            BadInput: if the file is no video that OpenCV can read.
        """
        self._path = path
        capture = self._open()
        self.fps = capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        self._length = 0
        while capture.grab():
            self._length += 1
        capture.release()
        if not self._length:
            raise BadInput(f"The video {path} has no frame that can be decoded.")

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[np.ndarray]:
        capture = self._open()
        try:
            for _ in range(self._length):
                decoded, frame = capture.read()
                if not decoded:
                    raise BadInput(f"The video {self._path} ends early when it is read again.")
                yield frame
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise BadInput(f"The file {self._path} is no video that OpenCV can read.")
        return capture


def open_frames(source: str | Path | Sequence[np.ndarray]) -> FrameSource:
    """
    Args:
        source: BGR arrays, a folder of images or a video file.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        BadInput: if what is there cannot be read.
    """
    if not isinstance(source, (str, Path)):
        return ArraySource(source)
    path = Path(source)
    if path.is_dir():
        return ImageSource(path)
    if path.is_file():
        return VideoFileSource(path)
    raise FileNotFoundError(f"There is no video file or image folder {path}.")
