"""Frames with their ground truth and detections."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...errors import InputError
from .analysis.errors import KINDS
from .plots import KIND_COLOURS
from .report_data import ReportData

WIDTH = 480  # of an embedded picture, pixels
QUALITY = 80  # of JPEG
FRAMES = 4  # of a video
TRUTH_COLOUR, RIGHT_COLOUR = "#00C853", "#FFFFFF"
LEGEND = {
    "object (dashed: not found)": TRUTH_COLOUR,
    "right": RIGHT_COLOUR,
    **{name: colour for name, colour in KIND_COLOURS.items() if name != "missed"},
}


class Box(NamedTuple):
    """A rectangle in a picture."""

    place: dict[str, float]  # x, y, width and height in pixels of the frame
    colour: str
    dashed: bool


class Label(NamedTuple):
    """A text on a coloured rectangle, in pixels of the frame."""

    x: float
    y: float
    width: float
    colour: str
    text: str


class Picture(NamedTuple):
    """A frame with boxes."""

    number: int  # of the frame in its video
    source: str  # data URI
    width: int
    height: int
    boxes: Sequence[Box]
    labels: Sequence[Label]
    font_size: float


def frames_of_video(data: ReportData, video: int, root: Path) -> list[Picture]:
    """The frame with the most errors of each quarter of a video.

    Args:
        data: its detections above the threshold are drawn.
        video: position in ``GroundTruth.video_ids``.
        root: folder that file names are relative to.

    Raises:
        InputError: if a picture cannot be read.
    """
    truth = data.ground_truth
    images = np.flatnonzero(truth.image_videos == video)
    images = images[np.argsort(truth.image_frames[images])]
    quarters = (part for part in np.array_split(images, FRAMES) if len(part))
    errors = data.videos.image_errors
    return [_picture(data, part[errors[part].argmax()], root) for part in quarters]


def _picture(data: ReportData, image: int, root: Path) -> Picture:
    truth, detections, errors = data.ground_truth, data.confident, data.confident_errors
    found = set(errors.matches.taken[errors.matches.true_positive].tolist())
    height, width = truth.image_sizes[image].tolist()
    labels = _Labels(font_size=width / 36, right=width, bottom=height)
    boxes = []
    for box in np.flatnonzero(truth.images == image):
        boxes.append(Box(_place(truth.boxes[box]), TRUTH_COLOUR, box not in found))
        labels.add(truth.boxes[box], TRUTH_COLOUR, truth.class_names[truth.classes[box]], top=True)
    for row in np.flatnonzero(detections.images == image):
        kind = errors.kinds[row]
        colour = KIND_COLOURS[KINDS[kind]] if kind >= 0 else RIGHT_COLOUR
        boxes.append(Box(_place(detections.boxes[row]), colour, False))
        text = f"{truth.class_names[detections.classes[row]]} {detections.scores[row]:.2f}"
        labels.add(detections.boxes[row], colour, text, top=False)
    source = _jpeg(root / data.file_names[image])
    number = truth.image_frames[image]
    return Picture(number, source, width, height, boxes, labels.placed, labels.font_size)


def _place(box: np.ndarray) -> dict[str, float]:
    return dict(zip(("x", "y", "width", "height"), box.round(1).tolist(), strict=True))


def _jpeg(path: Path) -> str:
    """A smaller copy as a data URI."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputError(f"Image {path} cannot be read: check --images, the folder of file_name.")
    scale = min(1.0, WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


class _Labels:
    """Labels of boxes, moved down until they do not cover each other."""

    def __init__(self, *, font_size: float, right: float, bottom: float) -> None:
        self.placed: list[Label] = []
        self.font_size = font_size
        self._right, self._bottom = right, bottom  # of the picture
        self._taken: list[tuple[float, float, float]] = []  # left, right, top

    def add(self, box: np.ndarray, colour: str, text: str, *, top: bool) -> None:
        """Place a label above or below a box, but inside the picture."""
        height, width = 1.25 * self.font_size, (0.62 * len(text) + 0.4) * self.font_size
        left = max(min(float(box[0]), self._right - width), 0.0)
        above, below = float(box[1]) - height, float(box[1] + box[3])
        y = max(above, 0.0) if top else min(below, self._bottom - height)
        while any(
            left < right and other < left + width and abs(y - place) < height
            for other, right, place in self._taken
        ):
            y += height / 4
        self._taken.append((left, left + width, y))
        self.placed.append(Label(left, y, width, colour, text))
