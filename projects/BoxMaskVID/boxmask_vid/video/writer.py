"""Video files that browsers play."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from ..errors import BadInput

FOURCC = "vp09"  # VP9: the one codec of OpenCV's wheels that browsers play in mp4


class VideoWriter:
    """Writes BGR frames to an mp4 file, which appears when it is complete."""

    def __init__(self, path: Path, fps: float) -> None:
        """
        Args:
            path: of the file, ending in .mp4; an existing one is replaced.
            fps: frames per second.
        """
        self._path = path
        self._unfinished = path.with_name(f"{path.stem}.unfinished{path.suffix}")
        self._fps = fps
        self._writer = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3).

        Raises:
            BadInput: if its size is not that of the first frame.
        """
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            size = frame.shape[1], frame.shape[0]
            fourcc = cv2.VideoWriter_fourcc(*FOURCC)
            self._writer = cv2.VideoWriter(str(self._unfinished), fourcc, self._fps, size)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write {FOURCC} video to {self._unfinished}")
            self._shape = frame.shape
        if frame.shape != self._shape:
            raise BadInput(
                f"{self._path}: a frame of {frame.shape[1]} x {frame.shape[0]} pixels follows "
                f"frames of {self._shape[1]} x {self._shape[0]}; a video has frames of one size."
            )
        self._writer.write(frame)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Complete the file; after an error it holds what was written before."""
        if self._writer is not None:
            self._writer.release()
            os.replace(self._unfinished, self._path)
