"""Detections written as they come: records of frames, CSV and COCO results."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.structures import Boxes, Instances

from ...errors import InputError
from ...files import GrowingFile, written_whole


def frame_record(
    frame: int,
    time: float,
    instances: Instances,
    class_names: Sequence[str],
    tracks: Sequence[int] | None = None,
) -> dict:
    """Record of a frame: a line of JSON.

    It has ``frame`` (its number, from 0), ``time`` (when it is shown, in seconds), and
    ``detections``: for each ``class``, ``score``, ``box`` (``x1, y1, x2, y2`` in pixels of the
    frame) and ``track``, None if they are not linked.
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
    """Detections of a record; ``size`` is the (height, width) of its frame."""
    found = record["detections"]
    classes = [class_names.index(row["class"]) for row in found]
    return Instances(
        size,
        pred_boxes=Boxes(torch.tensor([row["box"] for row in found]).reshape(-1, 4)),
        scores=torch.tensor([row["score"] for row in found]),
        pred_classes=torch.tensor(classes, dtype=torch.int64),
    )


def checked_records(
    records: Iterable[dict], path: Path, class_names: Sequence[str]
) -> Iterator[dict]:
    """Records of frames in order as :func:`frame_record` makes them.

    Frames that cannot be decoded have none. Raises InputError if one of them, read from ``path``,
    is not such a record.
    """
    last = -1
    for number, record in enumerate(records):
        try:
            classes = {row["class"] for row in record["detections"]}
            correct = isinstance(record["frame"], int) and last < record["frame"]
            correct = correct and classes <= set(class_names)
            last = record["frame"]
        except (KeyError, TypeError):
            correct = False
        if not correct:
            raise InputError(
                f"{path}, line {number + 1}: this is not a result of these inputs and this model; "
                "leave out --resume to start over."
            )
        yield record


class CsvFile(GrowingFile):
    """CSV file with one line a detection."""

    COLUMNS = ("frame", "time", "track", "class", "score", "x1", "y1", "x2", "y2")

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rows = csv.writer(self, lineterminator="\n")
        self._rows.writerow(self.COLUMNS)

    def append(self, record: dict) -> None:
        """Add the detections of a record."""
        for row in record["detections"]:
            start = record["frame"], record["time"], row["track"], row["class"], row["score"]
            self._rows.writerow([*start, *row["box"]])


class CocoFile(GrowingFile):
    """COCO results; the file appears when it is complete, after an error with what was written.

    ``image_id`` is the number of the frame, ``category_id`` counts the classes from 1.
    """

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self._whole = written_whole(path)
        self._unfinished = self._whole.__enter__()
        super().__init__(self._unfinished, shown=path)
        self._ids = {name: number for number, name in enumerate(class_names, 1)}
        self._valid = 0  # characters, all of one byte, up to the end of the last detection
        self.write("[]")

    def append(self, record: dict) -> None:
        """Add the detections of a record."""
        for row in record["detections"]:
            x1, y1, x2, y2 = row["box"]
            result = {
                "image_id": record["frame"],
                "category_id": self._ids[row["class"]],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "score": row["score"],
            }
            text = (",\n" if self._valid else "[") + json.dumps(result)
            self._file.seek(self._valid)
            self.write(f"{text}]")  # the file is always whole: a full disk may have no room later
            self._valid += len(text)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        with open(self._unfinished, "r+b") as file:  # a piece that did not fit is cut off
            start = b"" if self._valid else b"["
            file.seek(self._valid)
            file.write(start + b"]")
            file.truncate()
        self._whole.__exit__(None, None, None)  # after an error, too
