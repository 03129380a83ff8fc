"""Reader of Label Studio's JSON of tasks with videos."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from ....errors import InputError
from ....files import read_json
from .labels import LabelledBox, Labels, VideoLabels, number

logger = logging.getLogger(__name__)

LONGEST_VIDEO = 1_000_000  # frames; a larger number is a mistake
UPLOAD = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
SIDES = ("x", "y", "width", "height")
NOT_BOXES = "results that are not boxes on videos"
NO_LABEL = "boxes without a label"
TURNED = "turned boxes"


def read_label_studio(source: Path) -> Labels:
    """Read the boxes of an export in the format "JSON"; each task is a video.

    Between key frames boxes are interpolated as Label Studio does; a box that is not enabled is the
    last one before a gap. Where a task has no annotations, its predictions are read.

    Args:
        source: JSON file.
    """
    tasks = read_json(source)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"{source} is not a list of tasks: export it from Label Studio as 'JSON'.")
    if not tasks:
        raise InputError(f"{source} has no tasks: export it again.")
    left_out: Counter[str] = Counter()
    videos, predicted = [], 0
    for row, task in enumerate(tasks):
        where = f"{source}, task {task.get('id', f'number {row}')}"
        results, is_predicted = _results(task, where)
        predicted += is_predicted
        videos.append(_video(task, results, where, left_out))
    if predicted:
        logger.warning(
            f"{source}: no annotations in {predicted} of {len(tasks)} tasks, whose predictions are "
            "read."
        )
    return Labels(videos, None, dict(left_out))


def _results(task: dict, where: str) -> tuple[list[dict], bool]:
    """Results of the only annotation, or else of the only prediction, and whether it is that."""
    if not isinstance(task.get("data"), dict):
        raise InputError(f"{where} has no 'data': export it from Label Studio as 'JSON'.")
    for section in ("annotations", "predictions"):
        entries = task.get(section) or []
        if not isinstance(entries, list):
            raise InputError(f"{where}: '{section}' is not a list: export it again.")
        # exports may have ids in place of predictions
        entries = [entry for entry in entries if isinstance(entry, dict)]
        entries = [entry for entry in entries if not entry.get("was_cancelled")]
        if len(entries) > 1:
            raise InputError(f"{where} has {len(entries)} {section}: keep one of them.")
        if entries:
            results = entries[0].get("result")
            if not isinstance(results, list) or not all(isinstance(r, dict) for r in results):
                raise InputError(f"{where}: 'result' is not a list of records: export it again.")
            return results, section == "predictions"
    return [], False


def _video(task: dict, results: list[dict], where: str, left_out: Counter[str]) -> VideoLabels:
    boxes: list[LabelledBox] = []
    lengths = set()
    for row, result in enumerate(results):
        here = f"{where}, result {result.get('id', f'number {row}')}"
        value = result.get("value")
        if result.get("type") != "videorectangle" or not isinstance(value, dict):
            left_out[NOT_BOXES] += 1
            continue
        length = number(value.get("framesCount"), int, here, "'framesCount'")
        if not 0 < length <= LONGEST_VIDEO:
            raise InputError(f"{here}: the video has {length} frames: correct 'framesCount'.")
        lengths.add(length)
        if (label := _label(value, here)) is None:
            left_out[NO_LABEL] += 1
            continue
        for frame, box, is_turned in _boxes(value, length, here):
            if is_turned:
                left_out[TURNED] += 1
            else:
                boxes.append(LabelledBox(frame, label, box, f"{here}, frame {frame + 1}", row))
    if len(lengths) > 1:
        raise InputError(
            f"{where}: 'framesCount' is {' and '.join(map(str, sorted(lengths)))}: a video has one "
            "number of frames, correct it."
        )
    return VideoLabels(_name(task, where), where, boxes, drawn_on=(100.0, 100.0))


def _name(task: dict, where: str) -> str:
    """Name of the video file: the last part of an address, or of the file of a local storage."""
    value = task["data"].get("video")
    if value is None:  # the name of the variable is free
        texts = [text for text in task["data"].values() if isinstance(text, str)]
        value = texts[0] if len(texts) == 1 else None
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: 'data' does not name a 'video': add it.")
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise InputError(
            f"{where}: the video {value[:40]!r} is not an address ({error}): correct it."
        ) from error
    file = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    return UPLOAD.sub("", PurePosixPath(file.replace("\\", "/")).stem, count=1)


def _label(value: dict, where: str) -> str | None:
    labels = value.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError(
            f"{where}: 'labels' is {str(labels)[:40]}, not a list of texts: correct it."
        )
    if len(labels) > 1:
        raise InputError(f"{where} has {len(labels)} labels, {', '.join(labels)}: keep one.")
    return labels[0] if labels else None


def _boxes(
    value: dict, length: int, where: str
) -> Iterator[tuple[int, tuple[float, float, float, float], bool]]:
    """Frames from 0, boxes in percent, and whether they are turned."""
    shapes = _key_frames(value.get("sequence"), length, where)
    last = (length, np.zeros(5), False)
    for (frame, shape, enabled), (following, goal, _) in pairwise([*shapes, last]):
        for between in range(frame, following if enabled else frame + 1):
            share = 0 if following == length else (between - frame) / (following - frame)
            x, y, w, h, rotation = (shape + (goal - shape) * share).tolist()
            yield between, (x, y, w, h), rotation % 360 != 0


def _key_frames(sequence: Any, length: int, where: str) -> list[tuple[int, np.ndarray, bool]]:
    """Frames from 0, x, y, width, height and rotation, and whether they are enabled; in order."""
    if not isinstance(sequence, list) or not all(isinstance(entry, dict) for entry in sequence):
        raise InputError(f"{where}: 'sequence' is not a list of boxes: export it again.")
    shapes = {}
    for entry in sequence:
        frame = number(entry.get("frame"), int, where, "a frame")
        if not 1 <= frame <= length or frame - 1 in shapes:
            problem = "occurs twice" if frame - 1 in shapes else f"is not one of 1 to {length}"
            raise InputError(f"{where}: frame {frame} {problem}: correct it.")
        here = f"{where}, frame {frame}"
        values = [number(entry.get(side), float, here, side) for side in SIDES]
        values.append(number(entry.get("rotation", 0), float, here, "the rotation"))
        shapes[frame - 1] = np.array(values), bool(entry.get("enabled", True))
    return [(frame, *shapes[frame]) for frame in sorted(shapes)]
