"""Columns of a COCO-VID JSON: its lists as NumPy arrays, each converted once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from ..video_frame_names import video_frame_name

SECTIONS = ("categories", "videos", "images", "annotations")
DEFAULTS = {
    "is_vid_train_frame": False,
    "instance_id": -1,
    "iscrowd": 0,
    "ignore": 0,
    "occluded": -1,
    "area": -1,
}
UNKNOWN_SIZE = -1  # a width or height that is missing or null
OTHER_NAMES = {"instance_id": "track_id"}  # where the field is missing


class VIDColumns:
    """Lists of a COCO-VID JSON, C categories, V videos, N images and A annotations, by column.

    Rows are in the order of the file. ``vid_rules`` says which of the columns can be used.
    ``records`` has the lists that are there; an entry that is not a record, as ``not_records``
    lists them by position, counts as an empty one.
    """

    def __init__(self, content: object) -> None:
        self.content = content
        lists = content if isinstance(content, dict) else {}
        self.records: dict[str, list[dict]] = {}
        self.not_records: dict[str, list[int]] = {}
        self._numbers: dict[tuple[str, str], np.ndarray] = {}
        for section in SECTIONS:
            entries = lists.get(section)
            if isinstance(entries, list):
                wrong = [row for row, entry in enumerate(entries) if not isinstance(entry, dict)]
                if wrong:
                    entries = [entry if isinstance(entry, dict) else {} for entry in entries]
                self.records[section], self.not_records[section] = entries, wrong

    def values(self, section: str, field: str) -> list:
        """A field of all records, with its default where it is optional, else None."""
        records, default = self.records[section], DEFAULTS.get(field)
        if field in ("width", "height"):
            sides = (record.get(field) for record in records)
            return [UNKNOWN_SIZE if side is None else side for side in sides]
        if other := OTHER_NAMES.get(field):
            return [record.get(field, record.get(other, default)) for record in records]
        return [record.get(field, default) for record in records]

    def numbers(self, section: str, field: str) -> np.ndarray:
        """(rows,) int64 of a field.

        Raises:
            ValueError, TypeError: if one of its values is not a whole number, or too large.
        """
        if (section, field) not in self._numbers:
            column = np.asarray(self.values(section, field) or np.zeros(0, np.int64))
            if column.ndim != 1:
                raise ValueError(f"'{field}' has lists")
            self._numbers[section, field] = column.astype(np.int64, casting="safe")
        return self._numbers[section, field]

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N, 2) int64 height, width; below 1 where they are unknown."""
        columns = self.numbers("images", "height"), self.numbers("images", "width")
        return np.stack(columns, axis=1)

    @cached_property
    def frame_order(self) -> np.ndarray:
        """(N,) rows of the images by video id and frame number."""
        return np.lexsort((self.numbers("images", "frame_id"), self.numbers("images", "video_id")))

    @cached_property
    def image_rows(self) -> np.ndarray:
        """(A,) row of the image of each annotation; -1 where it is not in the file."""
        ids, used = self.numbers("images", "id"), self.numbers("annotations", "image_id")
        by_id = np.argsort(ids, kind="stable")
        places = np.searchsorted(ids[by_id], used, side="right") - 1
        if not len(ids):
            return places
        rows = by_id[places]
        return np.where((places >= 0) & (ids[rows] == used), rows, -1)

    @cached_property
    def file_names(self) -> list[str | None]:
        """(N,) names of images and of frames of video files; None where there is neither."""
        videos = {video["id"]: video.get("file_name") for video in self.records["videos"]}
        names: list[str | None] = []
        for image in self.records["images"]:
            name, video = image.get("file_name"), videos.get(image["video_id"])
            if name is None and video is not None:
                name = video_frame_name(video, image["frame_id"])
            names.append(None if name is None else str(name))
        return names

    @cached_property
    def is_ignored(self) -> np.ndarray:
        """(A,) whether a box is neither trained on nor scored: ``iscrowd`` or ``ignore``."""
        return (self.numbers("annotations", "iscrowd") != 0) | (
            self.numbers("annotations", "ignore") != 0
        )

    @cached_property
    def boxes(self) -> np.ndarray:
        """(A, 4) float64 ``x, y, w, h``; NaN where there is no box."""
        return self._parsed_boxes[0]

    @cached_property
    def is_box(self) -> np.ndarray:
        """(A,) whether ``bbox`` is a list of four numbers."""
        return self._parsed_boxes[1]

    @cached_property
    def areas(self) -> np.ndarray:
        """(A,) float64 ``area``, -1 where none is given and NaN where it is not a number."""
        values = self.values("annotations", "area")
        try:
            return np.asarray(values, dtype=np.float64).reshape(len(values))
        except (TypeError, ValueError, OverflowError):
            return np.array([_floats(value, ()) for value in values])

    @cached_property
    def _parsed_boxes(self) -> tuple[np.ndarray, np.ndarray]:
        values = self.values("annotations", "bbox")
        try:
            boxes = np.asarray(values or np.zeros((0, 4)))
        except ValueError:  # of several lengths
            boxes = np.zeros(0)
        if boxes.shape == (len(values), 4) and boxes.dtype.kind in "biuf":
            return boxes.astype(np.float64), np.ones(len(values), dtype=bool)
        boxes = np.array([_floats(value, (4,)) for value in values])
        return boxes, np.array([_has_four_numbers(value) for value in values])


def is_whole_number(value: object) -> bool:
    """Whether a value fits into an int64 column."""
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _has_four_numbers(value: object) -> bool:
    sides = list(value) if isinstance(value, Iterable) else []
    return len(sides) == 4 and all(isinstance(side, (int, float, np.number)) for side in sides)


def _floats(value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Floats of numbers, also of those written as text; NaN for anything else."""
    with suppress(TypeError, ValueError, OverflowError):
        floats = np.asarray(value, dtype=np.float64)
        if floats.shape == shape:
            return floats
    return np.full(shape, np.nan)
