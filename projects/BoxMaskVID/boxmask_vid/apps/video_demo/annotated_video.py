"""Video with the detections drawn into its frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from detectron2.data import Metadata
from detectron2.structures import Instances
from detectron2.utils.colormap import colormap
from detectron2.utils.video_visualizer import VideoVisualizer

from ...errors import InputError
from ...video import Frame, VideoWriter
from ...video.writer import SizeChange

WINDOW = "BoxMaskVID"


class AnnotatedVideo:
    """Draws detections, writes the frames to a video, and shows them.

    Where the size of frames changes, the video ends and an error at the end says so.
    """

    def __init__(
        self,
        writer: VideoWriter,
        metadata: Metadata,
        *,
        fps: float | None,
        show: bool,
        may_end: bool,
    ) -> None:
        """
        Args:
            writer: of the video.
            metadata: of the classes.
            fps: frames per second; None for the times of the frames.
            show: show the frames in a window.
            may_end: whether there are other files that go on where the video ends.
        """
        self._writer, self._metadata = writer, metadata
        self._fps, self._show, self._may_end = fps, show, may_end
        self._visualizer = VideoVisualizer(metadata)
        self._size: tuple[int, ...] | None = None
        self._ended: SizeChange | None = None

    def append(self, frame: Frame, instances: Instances, tracks: Sequence[int] | None) -> bool:
        """Add a frame; return whether the user wants more frames.

        Raises InputError if the video cannot be written.
        """
        if frame.image.shape != self._size:
            self._size = frame.image.shape
            self._visualizer = VideoVisualizer(self._metadata)  # it compares masks of two frames
        drawn = _drawn(self._visualizer, frame.image, instances, tracks)
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


def _drawn(
    visualizer: VideoVisualizer,
    image: np.ndarray,
    instances: Instances,
    tracks: Sequence[int] | None,
) -> np.ndarray:
    """Frame with its detections, (H, W, 3) BGR; a track has the same colour in all frames."""
    if tracks is not None:
        colors = colormap(rgb=True, maximum=1)
        instances.set("COLOR", [colors[track % len(colors)] for track in tracks])
    if instances.has("pred_masks"):
        instances.pred_masks = instances.pred_masks.numpy()
    frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    drawn = visualizer.draw_instance_predictions(frame, instances).get_image()
    return cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
