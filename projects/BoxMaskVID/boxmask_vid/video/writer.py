"""Writer of video files that browsers play."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from ..errors import InputError, writing
from ..files import refuse_devices

# VP9 plays in every browser, also in odd sizes (H.264 needs even ones there).
CODEC = "libvpx-vp9"
CODEC_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "crf": "24", "b": "0"}
# Each second is complete in itself, so that the file is valid wherever writing ends.
CONTAINER_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
FINE_CLOCK = Fraction(1, 120_000)  # in seconds; a multiple of all common rates


class SizeChange(InputError):
    """A frame does not have the size of the frames before it."""


class VideoWriter:
    """Writes BGR frames to an mp4 file, which appears when it is complete and replaces another.

    After an error (such as a full disk) it appears with the frames written before.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        is_constant: bool = True,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        """
        Args:
            path: the mp4 file.
            fps: frames per second, on average if the rate is not constant.
            is_constant: round times to whole intervals of this rate.
            pixel_aspect: width of a pixel over its height, as shown.
        """
        self._path = path
        self._unfinished = unfinished_video(path)
        self._fps = Fraction(fps).limit_denominator(10_000)
        self._clock = 1 / self._fps if is_constant else FINE_CLOCK
        self._pixel_aspect = pixel_aspect
        self._last = -1  # when the last frame is shown, on this clock
        self._output: tuple[OutputContainer, VideoStream, IO[bytes]] | None = None

    def write(self, frame: np.ndarray, time: float | None = None) -> None:
        """Append a frame (H, W, 3).

        Args:
            frame: BGR uint8.
            time: when it is shown, in seconds; None for one interval after the frame before.

        Raises:
            SizeChange: if its size is not that of the first frame.
            InputError: if the file cannot be written.
        """
        if self._output is None:
            self._output = self._open(frame.shape)
        container, stream, _ = self._output
        if frame.shape != self._shape:
            raise SizeChange(
                f"{self._path}: a frame of {frame.shape[1]} x {frame.shape[0]} pixels follows "
                f"frames of {self._shape[1]} x {self._shape[0]}: give frames of one size."
            )
        interval = max(round(1 / self._fps / self._clock), 1)
        if time is not None:
            self._last = max(round(time / self._clock), self._last + 1)
        else:
            self._last = 0 if self._last < 0 else self._last + interval
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        picture.pts, picture.time_base, picture.duration = self._last, self._clock, interval
        try:
            packets = stream.encode(picture)
        except av.FFmpegError as error:
            height, width = frame.shape[:2]
            raise InputError(
                f"{self._path}: frames of {width} x {height} pixels cannot be encoded ({error}): "
                "give smaller ones."
            ) from error
        with _writing(self._path):
            container.mux(packets)

    def _open(self, shape: tuple[int, ...]) -> tuple[OutputContainer, VideoStream, IO[bytes]]:
        refuse_devices(self._path)
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # A file of Python's: closing FFmpeg's own does not say that the disk was full.
            file = open(self._unfinished, "wb")  # noqa: SIM115
            container = av.open(file, "w", format="mp4", options=CONTAINER_OPTIONS)
        stream = container.add_stream(CODEC, rate=self._fps, options=CODEC_OPTIONS)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(round(self._fps), 1)
        stream.codec_context.time_base = self._clock
        if self._pixel_aspect != 1:
            stream.codec_context.sample_aspect_ratio = self._pixel_aspect
            stream.sample_aspect_ratio = self._pixel_aspect
        self._shape = shape
        return container, stream, file

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Complete the file; after an error it holds what was written before."""
        if self._output is None:
            return
        container, stream, file = self._output
        # After an error the disk may still be full: what is on it is valid.
        with suppress(InputError) if kind else nullcontext():
            try:
                with _writing(self._path):
                    try:
                        container.mux(stream.encode())
                    finally:
                        container.close()
                    file.flush()
                    os.fsync(file.fileno())  # some disks say only then that they are full
            finally:
                with suppress(OSError):
                    file.close()
                os.replace(self._unfinished, self._path)


def unfinished_video(path: Path) -> Path:
    """Where a video is written until it is complete."""
    return path.with_name(f"{path.stem}.unfinished{path.suffix}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise InputError also where the file, and then FFmpeg, cannot write."""
    with writing(path):
        try:
            yield
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
