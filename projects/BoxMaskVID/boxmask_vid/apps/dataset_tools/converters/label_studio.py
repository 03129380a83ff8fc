"""Reader of Label Studio's JSON of tasks with videos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from ....errors import InputError
from ....files import read_json
from .labels import LabelledBox, Labels, VideoLabels, number, whole_number

LONGEST_VIDEO = 1_000_000  # frames; a larger number is a mistake
UPLOAD = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
SIDES = ("x", "y", "width", "height")
NOT_BOXES = "results that are not boxes on videos"
NO_ANNOTATION = "tasks that nobody has annotated"
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
        if results is None:
            left_out[NO_ANNOTATION] += 1
            continue
        predicted += is_predicted
        videos.append(_video(task, results, where, left_out))
    if not videos:
        raise InputError(
            f"{source} has no annotations: its {len(tasks)} tasks are skipped or not submitted."
        )
    notes = []
    if predicted:
        notes.append(
            f"{predicted} of {len(tasks)} tasks have no annotations: their predictions are read"
        )
    return Labels(videos, left_out=dict(left_out), notes=notes)


def _results(task: dict, where: str) -> tuple[list[dict] | None, bool]:
    """Results of the only annotation, or else of the only prediction, and whether it is that.

    None for a task that was skipped or not submitted: it may have objects.
    """
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
    return None, False


def _video(task: dict, results: list[dict], where: str, left_out: Counter[str]) -> VideoLabels:
    boxes: list[LabelledBox] = []
    lengths, rates = set(), set()
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
        key_frames = _key_frames(value.get("sequence"), length, here)
        rates |= {round(key.frame / key.time, 3) for key in key_frames if key.time > 0}
        if (label := _label(value, here)) is None:
            left_out[NO_LABEL] += 1
            continue
        for box, is_turned in _boxes(key_frames, length, label, row, here):
            if is_turned:
                left_out[TURNED] += 1
            else:
                boxes.append(box)
    if len(lengths) > 1:
        raise InputError(
            f"{where}: 'framesCount' is {' and '.join(map(str, sorted(lengths)))}: a video has one "
            "number of frames, correct it."
        )
    rate = rates.pop() if len(rates) == 1 else None
    return VideoLabels(
        *(_name(task, where), f"{where}, at {rate:g} frames a second" if rate else where, boxes),
        drawn_on=(100.0, 100.0),
        rate=rate,
        rough_length=lengths.pop() if lengths else None,
    )


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


@dataclass(frozen=True)
class _KeyFrame:
    frame: int  # from 1
    shape: np.ndarray  # x, y, width, height in percent, rotation in degrees
    enabled: bool  # whether it goes on
    time: float  # frame divided by the rate; 0 if it is not given


def _boxes(
    key_frames: list[_KeyFrame], length: int, label: str, track: int, where: str
) -> Iterator[tuple[LabelledBox, bool]]:
    """Boxes of an object, and whether they are turned."""
    for key, following in zip_longest(key_frames, key_frames[1:]):
        end = key.frame + 1 if not key.enabled else following.frame if following else length + 1
        goal = following.shape if following else key.shape
        steps = following.frame - key.frame if following else 1
        for frame in range(key.frame, end):
            shape = key.shape + (goal - key.shape) * ((frame - key.frame) / steps)
            x, y, w, h, rotation = shape.tolist()
            box = LabelledBox(
                *(frame - 1, label, (x, y, w, h), f"{where}, frame {frame}"),
                track=track,
                interpolated=frame != key.frame,
            )
            yield box, rotation % 360 != 0


def _key_frames(sequence: object, length: int, where: str) -> list[_KeyFrame]:
    """Key frames in order."""
    if not isinstance(sequence, list) or not all(isinstance(entry, dict) for entry in sequence):
        raise InputError(f"{where}: 'sequence' is not a list of boxes: export it again.")
    found: dict[int, _KeyFrame] = {}
    for entry in sequence:
        frame = whole_number(entry.get("frame"), where, "a frame")
        if not 1 <= frame <= length or frame in found:
            problem = "occurs twice" if frame in found else f"is not one of 1 to {length}"
            raise InputError(f"{where}: frame {frame} {problem}: correct it.")
        here = f"{where}, frame {frame}"
        values = [number(entry.get(side), float, here, side) for side in SIDES]
        values.append(number(entry.get("rotation", 0), float, here, "the rotation"))
        time = number(entry.get("time", 0), float, here, "the time")
        found[frame] = _KeyFrame(frame, np.array(values), bool(entry.get("enabled", True)), time)
    return [found[frame] for frame in sorted(found)]
