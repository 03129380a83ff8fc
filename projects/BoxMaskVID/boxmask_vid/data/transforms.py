"""Resizing like mmtracking."""

from __future__ import annotations

import cv2
import numpy as np
from detectron2.data.transforms import Augmentation
from fvcore.transforms.transform import NoOpTransform, Transform

from ..errors import InputError


class ResizeToFit(Augmentation):
    """Scale an image so that it fits into a frame, with OpenCV's bilinear interpolation.

    Detectron2's ``ResizeShortestEdge`` resizes with PIL, which smooths when it shrinks; trained
    weights see the difference (up to 12 grey levels on 720p video).
    """

    def __init__(self, short_edges: tuple[int, ...], long_edge: int) -> None:
        """
        Args:
            short_edges: bounds of the shorter edge in pixels, one of them drawn per clip; 0 for no
                resizing.
            long_edge: bound of the longer edge in pixels.
        """
        super().__init__()
        self._init(locals())

    def get_transform(self, image: np.ndarray) -> Transform:
        """Raises InputError if nothing would be left of the image."""
        short_edge = int(np.random.choice(self.short_edges))
        if short_edge == 0:
            return NoOpTransform()
        height, width = image.shape[:2]
        new_height, new_width = fitted_size(height, width, short_edge, self.long_edge)
        if not new_height or not new_width:
            raise InputError(
                f"A picture of {width} x {height} pixels would be resized to {new_width} x "
                f"{new_height} (INPUT.MIN_SIZE_* {short_edge}, INPUT.MAX_SIZE_* {self.long_edge}): "
                "give pictures that are less long and thin."
            )
        return CV2ResizeTransform(height, width, new_height, new_width)


class CV2ResizeTransform(Transform):
    """Resize with OpenCV: bilinear for images, nearest for segmentations."""

    def __init__(self, height: int, width: int, new_height: int, new_width: int) -> None:
        super().__init__()
        self._set_attributes(locals())

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return self._resize(img, cv2.INTER_LINEAR)

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return self._resize(segmentation, cv2.INTER_NEAREST)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        scale = self.new_width / self.width, self.new_height / self.height
        return coords * np.array(scale, dtype=np.promote_types(coords.dtype, np.float32))

    def inverse(self) -> CV2ResizeTransform:
        return CV2ResizeTransform(self.new_height, self.new_width, self.height, self.width)

    def _resize(self, array: np.ndarray, interpolation: int) -> np.ndarray:
        size = (self.new_width, self.new_height)
        return cv2.resize(array, size, interpolation=interpolation)


def fitted_size(height: int, width: int, short_edge: int, long_edge: int) -> tuple[int, int]:
    """Size (height, width) of the largest image of the same shape within the bounds, rounded."""
    scale = min(long_edge / max(height, width), short_edge / min(height, width))
    return int(height * scale + 0.5), int(width * scale + 0.5)
