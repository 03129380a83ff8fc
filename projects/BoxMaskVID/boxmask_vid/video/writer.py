"""Writer of video files that browsers play."""

from __future__ import annotations

import os
from contextlib import closing, nullcontext, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from ..errors import InputError, writing

# VP9 plays in every browser, also in odd sizes (H.264 needs even ones there).
CODEC = "libvpx-vp9"
CODEC_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "crf": "24", "b": "0"}
# Each second is complete in itself, so that the file is valid wherever writing ends.
CONTAINER_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


class VideoWriter:
    """Writes BGR frames to an mp4 file, which appears when it is complete.

    After an error (such as a full disk) it appears with the frames written before.
    """

    def __init__(self, path: Path, fps: float) -> None:
        """
        Args:
            path: file to write, ending in .mp4; an existing one is replaced.
            fps: frames per second.
        """
        self._path = path
        self._unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
        self._fps = Fraction(fps).limit_denominator(10_000)
        self._output: tuple[OutputContainer, VideoStream] | None = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3).

        Raises:
            InputError: if its size is not that of the first frame, or the file cannot be written.
        """
        if self._output is None:
            self._output = self._open(frame.shape)
        container, stream = self._output
        if frame.shape != self._shape:
            raise InputError(
                f"{self._path}: a frame of {frame.shape[1]} x {frame.shape[0]} pixels follows "
                f"frames of {self._shape[1]} x {self._shape[0]}: give frames of one size."
            )
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        with writing(self._path):
            container.mux(stream.encode(picture))

    def _open(self, shape: tuple[int, ...]) -> tuple[OutputContainer, VideoStream]:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            container = av.open(str(self._unfinished), "w", format="mp4", options=CONTAINER_OPTIONS)
        stream = container.add_stream(CODEC, rate=self._fps, options=CODEC_OPTIONS)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(round(self._fps), 1)
        self._shape = shape
        return container, stream

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Complete the file; after an error it holds what was written before."""
        if self._output is None:
            return
        container, stream = self._output
        # After an error the disk may still be full: what is on it is valid.
        with suppress(InputError) if kind else nullcontext():
            try:
                with writing(self._path), closing(container):
                    container.mux(stream.encode())
            finally:
                os.replace(self._unfinished, self._path)
