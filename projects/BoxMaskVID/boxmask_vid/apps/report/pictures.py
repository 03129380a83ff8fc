"""Frames with what should have been found, and what was."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError
from .analysis.errors import KINDS
from .html import Html, element, joined
from .plots import KIND_COLOURS
from .study import Study

WIDTH = 480  # of an embedded picture, pixels
QUALITY = 80  # of JPEG
FRAMES = 4  # of a video
TRUTH_COLOUR, RIGHT_COLOUR = "#00C853", "#FFFFFF"


def frames_of_video(study: Study, video: int, root: Path) -> Html:
    """The frame with the most errors of each quarter of a video.

    Args:
        study: detections above its threshold are drawn.
        video: position in ``GroundTruth.video_ids``.
        root: folder that file names are relative to.

    Raises:
        InputError: if a picture is missing or cannot be read.
    """
    truth = study.ground_truth
    images = np.flatnonzero(truth.image_videos == video)
    images = images[np.argsort(truth.image_frames[images])]
    quarters = (part for part in np.array_split(images, FRAMES) if len(part))
    errors = study.videos.image_errors
    chosen = [part[errors[part].argmax()] for part in quarters]
    return element("div", *(_figure(study, image, root) for image in chosen), class_="frames")


def _figure(study: Study, image: int, root: Path) -> Html:
    height, width = study.ground_truth.image_sizes[image].tolist()
    picture = element(
        "image", href=_jpeg(root / study.file_names[image]), width=width, height=height
    )
    caption = f"frame {study.ground_truth.image_frames[image]}"
    return element(
        "figure",
        element("svg", picture, _boxes(study, image), viewBox=f"0 0 {width} {height}"),
        element("figcaption", caption),
    )


def _jpeg(path: Path) -> str:
    """A smaller copy as a data URI."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise InputError(f"{path} is missing or no picture: --images is the folder of file_name.")
    scale = min(1.0, WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _boxes(study: Study, image: int) -> Html:
    truth, detections, errors = study.ground_truth, study.confident, study.confident_errors
    found = set(errors.matches.taken[errors.matches.true_positive].tolist())
    height, width = truth.image_sizes[image].tolist()
    labels = _Labels(size=width / 36, right=width, bottom=height)
    shapes = []
    for box in np.flatnonzero(truth.images == image):
        lost = {} if box in found else {"stroke_dasharray": "5 4"}
        shapes.append(_rectangle(truth.boxes[box], TRUTH_COLOUR, **lost))
        labels.add(truth.boxes[box], TRUTH_COLOUR, truth.class_names[truth.classes[box]], top=True)
    for row in np.flatnonzero(detections.images == image):
        kind = errors.kinds[row]
        colour = KIND_COLOURS[KINDS[kind]] if kind >= 0 else RIGHT_COLOUR
        shapes.append(_rectangle(detections.boxes[row], colour))
        text = f"{truth.class_names[detections.classes[row]]} {detections.scores[row]:.2f}"
        labels.add(detections.boxes[row], colour, text, top=False)
    return joined([*shapes, *labels.parts])


def _rectangle(box: np.ndarray, colour: str, **attributes: str) -> Html:
    """A dark rim makes it show on any picture."""
    names = ("x", "y", "width", "height")
    where = dict(zip(names, box.round(1).tolist(), strict=True))
    shape = element("rect", **where, class_="box", stroke=colour, **attributes)
    return joined([element("rect", **where, class_="rim"), shape])


class _Labels:
    """Labels of boxes, moved down until they do not cover each other."""

    def __init__(self, *, size: float, right: float, bottom: float) -> None:
        self.parts: list[Html] = []
        self._size = size  # of the font
        self._right, self._bottom = right, bottom  # of the picture
        self._taken: list[tuple[float, float, float]] = []  # left, right, top

    def add(self, box: np.ndarray, colour: str, text: str, *, top: bool) -> None:
        """Above or below a box, but inside the picture."""
        height, width = 1.25 * self._size, 0.62 * self._size * len(text) + 0.4 * self._size
        left = max(min(float(box[0]), self._right - width), 0.0)
        above, below = float(box[1]) - height, float(box[1] + box[3])
        y = max(above, 0.0) if top else min(below, self._bottom - height)
        while any(
            left < right and other < left + width and abs(y - place) < height
            for other, right, place in self._taken
        ):
            y += height / 4
        self._taken.append((left, left + width, y))
        where = {"x": round(left, 1), "y": round(y, 1), "width": round(width, 1)}
        place = {"x": round(left + 0.2 * self._size, 1), "y": round(y + 0.95 * self._size, 1)}
        self.parts += [
            element("rect", **where, height=round(height, 1), fill=colour, class_="label"),
            element("text", text, **place, font_size=round(self._size, 1)),
        ]
