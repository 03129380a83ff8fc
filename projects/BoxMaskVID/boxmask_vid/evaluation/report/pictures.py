"""Frames with what should have been found, and what was."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from ...errors import BadInput
from ..analysis.errors import KINDS
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
        BadInput: if a picture is missing or cannot be read.
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
        raise BadInput(f"{path} is missing or no picture: --images is the folder of file_name.")
    scale = min(1.0, WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _boxes(study: Study, image: int) -> Html:
    truth, detections, errors = study.ground_truth, study.confident, study.confident_errors
    size = float(truth.image_sizes[image, 1]) / 30
    found = set(errors.matches.taken[errors.matches.true_positive].tolist())
    parts = []
    for box in np.flatnonzero(truth.images == image):
        name = truth.class_names[truth.classes[box]]
        lost = "" if box in found else " (not found)"
        parts.append(_rectangle(truth.boxes[box], TRUTH_COLOUR, f"{name}{lost}", size, above=True))
    for row in np.flatnonzero(detections.images == image):
        kind = errors.kinds[row]
        colour = KIND_COLOURS[KINDS[kind]] if kind >= 0 else RIGHT_COLOUR
        text = f"{truth.class_names[detections.classes[row]]} {detections.scores[row]:.2f}"
        parts.append(_rectangle(detections.boxes[row], colour, text, size, above=False))
    return joined(parts)


def _rectangle(box: np.ndarray, colour: str, text: str, size: float, *, above: bool) -> Html:
    """A box, labelled above or inside its lower edge; a dark rim shows on any picture."""
    x, y, width, height = (round(float(value), 1) for value in box)
    where = {"x": x, "y": y, "width": width, "height": height}
    label_y = max(y - 0.3 * size, size) if above else y + height - 0.4 * size
    place = {"x": round(x + 0.2 * size, 1), "y": round(label_y, 1), "font_size": round(size, 1)}
    return joined(
        [
            element("rect", **where, class_="rim"),
            element("rect", **where, class_="box", stroke=colour),
            element("text", text, fill=colour, **place),
        ]
    )
