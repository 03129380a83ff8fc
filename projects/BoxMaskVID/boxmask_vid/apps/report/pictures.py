"""Frames with their ground truth and detections."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ...errors import InputError
from ...video.image_files import read_upright
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
    """A rectangle in a picture, and its label, in pixels of the frame."""

    place: dict[str, float]  # x, y, width and height
    colour: str
    dashed: bool
    text: str
    label_x: float
    label_y: float
    label_width: float


class Picture(NamedTuple):
    """A frame with boxes."""

    number: int  # of the frame in its video
    source: str  # data URI
    width: int
    height: int
    font_size: float
    boxes: list[Box]


def frames_of_video(data: ReportData, video: int, root: Path) -> list[Picture]:
    """Frames with the most errors, one of each quarter of a video, above the score threshold.

    ``video`` is a position in ``GroundTruth.video_ids``; file names are relative to ``root``.

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
    source, number = _jpeg(root / data.file_names[image]), truth.image_frames[image]
    picture = Picture(number, source, width, height, width / 36, [])
    for box in np.flatnonzero(truth.images == image):
        text, dashed = truth.class_names[truth.classes[box]], box not in found
        _draw(picture, truth.boxes[box], TRUTH_COLOUR, text, dashed=dashed, above=True)
    for row in np.flatnonzero(detections.images == image):
        kind = errors.kinds[row]
        colour = KIND_COLOURS[KINDS[kind]] if kind >= 0 else RIGHT_COLOUR
        text = f"{truth.class_names[detections.classes[row]]} {detections.scores[row]:.2f}"
        _draw(picture, detections.boxes[row], colour, text, dashed=False, above=False)
    return picture


def _jpeg(path: Path) -> str:
    """A smaller copy as a data URI."""
    picture = read_upright(path)
    if picture is None:
        raise InputError(f"Image {path} cannot be read: check --images, the folder of file_name.")
    scale = min(1.0, WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _draw(
    picture: Picture, box: np.ndarray, colour: str, text: str, *, dashed: bool, above: bool
) -> None:
    """Add a box, with a label that lies in the picture and covers no other."""
    height, width = 1.25 * picture.font_size, (0.62 * len(text) + 0.4) * picture.font_size
    left = max(min(float(box[0]), picture.width - width), 0.0)
    top, bottom = float(box[1]) - height, float(box[1] + box[3])
    y = max(top, 0.0) if above else min(bottom, picture.height - height)
    while any(
        left < other.label_x + other.label_width
        and other.label_x < left + width
        and abs(y - other.label_y) < height
        for other in picture.boxes
    ):
        y += height / 4
    place = dict(zip(("x", "y", "width", "height"), box.round(1).tolist(), strict=True))
    picture.boxes.append(Box(place, colour, dashed, text, left, y, width))
