"""Sources of frames: arrays, image files, a video file, a camera or a live stream."""

from __future__ import annotations

import functools
import glob
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np

from ..data.datasets.numbered_frames import IMAGE_SUFFIXES
from ..errors import InputError
from .video_file import DEFAULT_FPS, NoTimeStamps, VideoFile, upright

HIGHEST_FPS = 1000  # of a stream with a known rate; others report their clock, 90,000
LONGEST_OPENING = 10_000  # milliseconds to wait for a live stream


class FrameSource(ABC):
    """Frames in order, each (H, W, 3) BGR uint8."""

    fps: float = DEFAULT_FPS  # frames per second
    length: int | None = None  # number of frames; None if the source can be read only once
    files: Sequence[Path] | None = None  # image file of each frame; None for other sources

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]: ...

    def time(self, index: int) -> float:
        """Time at which a frame is shown, in seconds from the first one."""
        return index / self.fps

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Read the frames of sorted numbers; a number may repeat."""
        picked = {}
        wanted = set(indices)
        for index, frame in enumerate(self):
            if index in wanted:
                picked[index] = frame
            if len(picked) == len(wanted):
                break
        return [picked[index] for index in indices]

    def count_readable(self) -> int:
        """Count the frames before one that cannot be read, by reading them."""
        count = 0
        with suppress(InputError):
            for _ in self:
                count += 1
        return count


class ArraySource(FrameSource):
    """Frames from memory, or from an iterable that can be read once."""

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self._frames = frames
        if isinstance(frames, (Sequence, np.ndarray)):
            self.length = len(frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (as_bgr(frame, index) for index, frame in enumerate(self._frames))


class ImageSource(FrameSource):
    """Image files; grey, transparent and 16-bit ones are converted to 8-bit BGR."""

    files: Sequence[Path]

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self.length = len(files)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._read, self.files)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        read = functools.cache(self._read)
        return [read(self.files[index]) for index in indices]

    def _read(self, file: Path) -> np.ndarray:
        frame = cv2.imread(str(file))
        if frame is None:
            raise InputError(f"Image {file} cannot be read: replace it.")
        return frame


class VideoFileSource(FrameSource):
    """A video file, upright, with exact numbers and times of its frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with VideoFile(path) as video:
            self.fps, self.length = video.fps, len(video)
            self._times = [video.time(index) for index in range(len(video))]

    def __iter__(self) -> Iterator[np.ndarray]:
        with VideoFile(self._path) as video:
            yield from video
        if video.missing:
            raise InputError(f"The video {self._path} is cut off: {video.missing}; get it again.")

    def time(self, index: int) -> float:
        return self._times[index]

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        with VideoFile(self._path) as video:
            return list(map(functools.cache(video.__getitem__), indices))


class SequentialVideoSource(FrameSource):
    """A video file without time stamps (raw H.264), read from its start and counted by decoding."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate
        self.fps = float(rate) if rate else DEFAULT_FPS
        self.length = self.count_readable()
        if not self.length:
            raise InputError(f"The video {path} has no frame that can be decoded: get it again.")

    def __iter__(self) -> Iterator[np.ndarray]:
        index = 0
        with av.open(str(self._path)) as container:
            try:
                for frame in container.decode(video=0):
                    yield upright(frame)
                    index += 1
            except av.FFmpegError as error:
                raise InputError(
                    f"The video {self._path} cannot be decoded at frame {index} ({error}): "
                    "get it again."
                ) from error


class LiveSource(FrameSource):
    """A camera or a network stream; it is open during iteration and does not end by itself."""

    def __init__(self, address: int | str) -> None:
        self._address = address
        self._name = f"camera {address}" if isinstance(address, int) else f"stream {address}"
        capture = self._open()
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= HIGHEST_FPS else DEFAULT_FPS
        capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        capture, count = self._open(), 0
        try:
            while True:
                decoded, frame = capture.read()
                if not decoded:
                    raise InputError(
                        f"The {self._name} ended after {count} frames: start it again."
                    )
                yield frame
                count += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self._address, int):
            capture = cv2.VideoCapture(self._address)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, LONGEST_OPENING]
            capture = cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            raise InputError(
                f"The {self._name} does not answer: check that it exists and is not in use."
            )
        return capture


Frames = FrameSource | str | Path | int | Iterable[np.ndarray]


def open_frames(source: Frames) -> FrameSource:
    """Open a source of frames.

    Args:
        source: BGR arrays (grey, BGRA and 16-bit ones are converted), a folder or a glob of images
            (in the order of their names), a video file, the number of a camera, or the address of
            a stream (``rtsp://...``).

    Raises:
        FileNotFoundError: if the path does not exist.
        InputError: if it cannot be read.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, int):
        return LiveSource(source)
    if isinstance(source, (str, Path)):
        return _open_path(str(source))
    return ArraySource(source)


def as_bgr(frame: np.ndarray, index: int) -> np.ndarray:
    """Convert a grey, BGR or BGRA picture of 8 or 16 bits to (H, W, 3) uint8.

    Args:
        frame: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 or uint16.
        index: number of the frame, for the error message.

    Raises:
        InputError: if the frame is anything else.
    """
    frame = np.asarray(frame)
    channels = 1 if frame.ndim == 2 else frame.shape[-1]
    known_shape = frame.ndim in (2, 3) and channels in (1, 3, 4) and frame.size
    if not known_shape or frame.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"Frame {index} is an array of shape {frame.shape} and type {frame.dtype}: give "
            "(height, width), (height, width, 3) BGR or (height, width, 4) BGRA of uint8 or uint16."
        )
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)  # as cv2.imread does
    if channels == 1:
        return cv2.cvtColor(frame.reshape(frame.shape[:2]), cv2.COLOR_GRAY2BGR)
    return cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR) if channels == 4 else frame


def _open_path(source: str) -> FrameSource:
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise InputError(
                f"The folder {path} has no images ({', '.join(IMAGE_SUFFIXES)}): check the path."
            )
        return ImageSource(files)
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return ImageSource([path])
        try:
            return VideoFileSource(path)
        except NoTimeStamps:
            return SequentialVideoSource(path)
    if "://" in source:
        return LiveSource(source)
    if source.isdigit():
        return LiveSource(int(source))
    files = sorted(map(Path, glob.glob(source)))
    if not files:
        raise FileNotFoundError(f"Video file or image folder {source} not found: check the path.")
    return ImageSource(files)
