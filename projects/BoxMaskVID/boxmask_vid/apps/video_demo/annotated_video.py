"""Video with the detections drawn into its frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from detectron2.structures import Instances

from ...errors import InputError
from ...video import Frame, VideoWriter
from ...video.writer import SizeChange
from .painter import Painter

WINDOW = "BoxMaskVID"


class AnnotatedVideo:
    """Draws detections, writes the frames to a video, and shows them.

    Where the size of frames changes, the video ends and an error at the end says so.
    """

    def __init__(
        self,
        writer: VideoWriter,
        painter: Painter,
        *,
        fps: float | None,
        show: bool,
        may_end: bool,
    ) -> None:
        """
        Args:
            writer: of the video.
            painter: draws the detections.
            fps: frames per second; None for the times of the frames.
            show: show the frames in a window.
            may_end: whether there are other files that go on where the video ends.
        """
        self._writer, self._painter = writer, painter
        self._fps, self._show, self._may_end = fps, show, may_end
        self._ended: SizeChange | None = None

    def append(self, frame: Frame, instances: Instances, tracks: Sequence[int] | None) -> bool:
        """Add a frame; return whether the user wants more frames.

        Raises InputError if the video cannot be written.
        """
        drawn = self._painter.draw(frame.image, instances, tracks)
        if self._ended is None:
            try:
                self._writer.write(drawn, frame.number / self._fps if self._fps else frame.time)
            except SizeChange as error:
                if not self._may_end:
                    raise
                self._ended = error
        if self._show:
            cv2.imshow(WINDOW, drawn)
            return cv2.waitKey(1) != ord("q")
        return True

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._writer.__exit__(kind, error, traceback)
        if self._ended is not None and (error is None or isinstance(error, InputError)):
            sentence = f"The video ends there, the other files do not: {self._ended}"
            raise InputError(f"{sentence} {error}" if error else sentence) from error
