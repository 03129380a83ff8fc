"""Boxes and labels drawn into frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from detectron2.data import Metadata
from detectron2.structures import Instances
from detectron2.utils.colormap import colormap
from detectron2.utils.video_visualizer import VideoVisualizer

FONT = cv2.FONT_HERSHEY_SIMPLEX
COLORS = [(int(b), int(g), int(r)) for r, g, b in colormap(rgb=True, maximum=255)]


class Painter:
    """Draws the detections of the frames of one video.

    Boxes are drawn by OpenCV: Detectron2's ``VideoVisualizer`` takes as long as a small detector.
    It draws masks, and labels that OpenCV has no letters for.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        """
        Args:
            class_names: names of the classes, by number.
        """
        self._names = class_names
        self._visualizer: VideoVisualizer | None = None
        self._size: tuple[int, ...] = ()

    def draw(
        self, image: np.ndarray, instances: Instances, tracks: Sequence[int] | None
    ) -> np.ndarray:
        """A frame with its detections, (H, W, 3) BGR.

        Args:
            image: (H, W, 3) BGR; it stays as it is.
            instances: detections, on the CPU.
            tracks: number of the track of each, which has the same colour in all frames; None for
                the colours of classes.
        """
        if instances.has("pred_masks") or not "".join(self._names).isascii():
            return self._draw_slowly(image, instances, tracks)
        drawn = image.copy()
        classes = instances.pred_classes.tolist()
        width = max(round(sum(image.shape[:2]) / 500), 1)
        for number, (box, score) in enumerate(
            zip(instances.pred_boxes.tensor.tolist(), instances.scores.tolist(), strict=True)
        ):
            color = COLORS[(classes if tracks is None else tracks)[number] % len(COLORS)]
            left, top, right, bottom = map(round, box)
            cv2.rectangle(drawn, (left, top), (right, bottom), color, width)
            _label(drawn, f"{self._names[classes[number]]} {score:.0%}", (left, top), color)
        return drawn

    def _draw_slowly(
        self, image: np.ndarray, instances: Instances, tracks: Sequence[int] | None
    ) -> np.ndarray:
        if self._visualizer is None or image.shape != self._size:
            # it compares masks of two frames, which have one size
            self._visualizer = VideoVisualizer(Metadata(thing_classes=list(self._names)))
            self._size = image.shape
        if tracks is not None:
            colors = colormap(rgb=True, maximum=1)
            instances.set("COLOR", [colors[track % len(colors)] for track in tracks])
        if instances.has("pred_masks"):
            instances.pred_masks = instances.pred_masks.numpy()
        frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        drawn = self._visualizer.draw_instance_predictions(frame, instances).get_image()
        return cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)


def _label(
    image: np.ndarray, text: str, corner: tuple[int, int], color: tuple[int, int, int]
) -> None:
    """Write above a corner, or below it at the upper edge of the image."""
    scale = min(max(min(image.shape[:2]) / 800, 0.35), 1.0)
    (width, height), below = cv2.getTextSize(text, FONT, scale, 1)
    left = min(max(corner[0], 0), max(image.shape[1] - width, 0))
    bottom = corner[1] if corner[1] >= height + below else corner[1] + height + below
    bottom = min(max(bottom, height + below), image.shape[0])
    cv2.rectangle(image, (left, bottom - height - below), (left + width, bottom), color, cv2.FILLED)
    dark = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] < 128
    ink = (255, 255, 255) if dark else (0, 0, 0)
    cv2.putText(image, text, (left, bottom - below // 2 - 1), FONT, scale, ink, 1, cv2.LINE_AA)
