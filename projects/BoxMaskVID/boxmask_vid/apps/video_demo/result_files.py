"""Detections written as they come: JSON lines, CSV and COCO results.

All take records of frames, see :func:`frame_record`.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TextIO

import torch
from detectron2.structures import Boxes, Instances

from ...errors import InputError, unwritable


def frame_record(
    frame: int,
    time: float,
    instances: Instances,
    class_names: Sequence[str],
    tracks: Sequence[int] | None = None,
) -> dict:
    """A frame in words.

    Args:
        frame: its number, from 0.
        time: when it is shown, in seconds.
        instances: its detections.
        class_names: names of the classes.
        tracks: numbers of the tracks of the detections, if they are linked.

    Returns:
        ``frame``, ``time``, and ``detections``: for each ``class``, ``score``, ``box`` (``x1, y1,
        x2, y2`` in pixels of the frame) and ``track``, None if they are not linked.
    """
    detections = [
        {"class": class_names[category], "score": score, "box": box, "track": track}
        for category, score, box, track in zip(
            instances.pred_classes.tolist(),
            instances.scores.tolist(),
            instances.pred_boxes.tensor.tolist(),
            [None] * len(instances) if tracks is None else tracks,
            strict=True,
        )
    ]
    return {"frame": frame, "time": round(time, 6), "detections": detections}


def record_instances(record: dict, size: tuple[int, int], class_names: Sequence[str]) -> Instances:
    """The detections of a record; ``size`` is the (height, width) of its frame."""
    found = record["detections"]
    return Instances(
        size,
        pred_boxes=Boxes(torch.tensor([each["box"] for each in found]).reshape(-1, 4)),
        scores=torch.tensor([each["score"] for each in found]),
        pred_classes=torch.tensor(
            [class_names.index(each["class"]) for each in found], dtype=torch.int64
        ),
    )


def read_json_lines(path: Path, class_names: Sequence[str]) -> list[dict]:
    """The records that were written; a last line that is cut off is left out.

    Raises:
        InputError: if the file is none that this module wrote for these classes.
    """
    if not path.is_file():
        return []
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
        try:
            record = json.loads(line)
            classes = {each["class"] for each in record["detections"]}
            correct = record["frame"] == number and classes <= set(class_names)
        except (ValueError, KeyError, TypeError):
            correct = False
        if not correct:
            raise InputError(
                f"{path}, line {number + 1}: this is no result of these inputs and this model that "
                "could be continued; leave --resume out to begin anew."
            )
        records.append(record)
    return records


class _ResultFile(AbstractContextManager):
    """A file of text that cannot be written gets a sentence."""

    def __init__(self, path: Path, mode: str, shown: Path) -> None:
        self._shown = shown
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = path.open(mode, encoding="utf-8", newline="")
        except OSError as error:
            raise unwritable(self._shown, error) from error

    def write(self, record: dict) -> None:
        """Append a frame.

        Raises:
            InputError: if the file cannot be written.
        """
        try:
            self._write(record)
            self._file.flush()
        except OSError as error:
            raise unwritable(self._shown, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise unwritable(self._shown, failure) from failure


class JsonLinesFile(_ResultFile):
    """One line a frame; complete lines whenever it is read."""

    def __init__(self, path: Path, *, keep: Sequence[dict] = ()) -> None:
        """
        Args:
            path: of the file.
            keep: records at its start that stay; what follows them is cut off.
        """
        super().__init__(path, "a" if keep else "w", path)
        if keep:
            with open(path, "rb") as file:
                end = sum(len(file.readline()) for _ in keep)
            self._file.truncate(end)

    def _write(self, record: dict) -> None:
        self._file.write(json.dumps(record) + "\n")


class CsvFile(_ResultFile):
    """One line a detection."""

    COLUMNS = ("frame", "time", "track", "class", "score", "x1", "y1", "x2", "y2")

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", path)
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(self.COLUMNS)

    def _write(self, record: dict) -> None:
        for each in record["detections"]:
            start = record["frame"], record["time"], each["track"], each["class"], each["score"]
            self._rows.writerow([*start, *each["box"]])


class CocoFile(_ResultFile):
    """COCO results; the file appears when it is complete, after an error with what there was.

    ``image_id`` is the number of the frame, ``category_id`` counts the classes from 1.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self._path = path
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        super().__init__(self._unfinished, "w", path)
        self._ids = {name: number for number, name in enumerate(class_names, 1)}
        self._valid = 0  # characters, all of one byte, up to the end of the last detection

    def _write(self, record: dict) -> None:
        for each in record["detections"]:
            x1, y1, x2, y2 = each["box"]
            result = {
                "image_id": record["frame"],
                "category_id": self._ids[each["class"]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": each["score"],
            }
            text = (",\n" if self._valid else "[") + json.dumps(result)
            self._file.write(text)
            self._file.flush()
            self._valid += len(text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        with open(self._unfinished, "r+b") as file:
            file.truncate(self._valid)
            file.seek(self._valid)
            file.write(b"]" if self._valid else b"[]")
        os.replace(self._unfinished, self._path)
