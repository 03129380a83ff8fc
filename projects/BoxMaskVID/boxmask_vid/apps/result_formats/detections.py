"""Detections of one video, in columns."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path, PurePath

import numpy as np

from ...video import FrameSource

NO_TRACK = -1


@dataclass(frozen=True, kw_only=True)
class VideoDetections:
    """D detections in the T frames of a video, ordered by frame."""

    name: str  # of the video: its folder of images, or its file without suffix
    class_names: Sequence[str]
    sizes: np.ndarray  # (T, 2) width and height of the frames
    # (D,) number of the frame, from 0
    frames: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    # (D,) position in class_names
    classes: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    scores: np.ndarray = field(default_factory=partial(np.zeros, 0))  # (D,)
    # (D, 4) x1, y1, x2, y2 in pixels; the corner of the image is 0, 0
    boxes: np.ndarray = field(default_factory=partial(np.zeros, (0, 4)))
    # (D,) number of the object, from 0; NO_TRACK if it is not linked
    tracks: np.ndarray = field(default_factory=partial(np.zeros, 0, np.int64))
    files: Sequence[str] | None = None  # (T,) image files; None for a video file
    video_file: str | None = None  # None for images and streams
    fps: float | None = None  # None if it is not known
    # (T,) whether a frame was looked at; not if it is broken or after an end. None for all
    is_seen: np.ndarray | None = None
    video_id: int = 1
    category_ids: Sequence[int] | None = None  # None to count the classes from 1

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def length(self) -> int:
        """T."""
        return len(self.sizes)

    @cached_property
    def size(self) -> tuple[int, int] | None:
        """Width and height of all frames; None if they differ."""
        widths, heights = self.sizes.T.tolist() if self.length else ([], [])
        same = len(set(widths)) == len(set(heights)) == 1
        return (widths[0], heights[0]) if same else None

    @property
    def image_files(self) -> list[str]:
        """(T,) the image files, or the names that an extraction of a video file would have."""
        if self.files is not None:
            return list(self.files)
        return [f"{self.name}/{frame:06d}.jpg" for frame in range(self.length)]

    @property
    def frame_names(self) -> list[str]:
        """(T,) names of the image files without folder and suffix."""
        return [PurePath(file).stem for file in self.image_files]

    @property
    def numbers_of_classes(self) -> Sequence[int]:
        """Ids of the classes in files that number them."""
        return self.category_ids or range(1, len(self.class_names) + 1)

    def rows_of(self, frame: int) -> slice:
        """Rows of the detections in a frame."""
        first, end = np.searchsorted(self.frames, (frame, frame + 1))
        return slice(int(first), int(end))

    def objects(self) -> list[np.ndarray]:
        """Rows of each object, by frame: those of a track, or a single detection without track."""
        if not len(self):
            return []
        alone = NO_TRACK - 1 - np.arange(len(self))
        numbers = np.where(self.tracks == NO_TRACK, alone, self.tracks)
        numbers = numbers * len(self.class_names) + self.classes  # an object has one class
        _, firsts, objects = np.unique(numbers, return_index=True, return_inverse=True)
        order = np.argsort(objects, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(objects))[:-1])
        return [rows[index] for index in np.argsort(firsts)]

    def with_detections(
        self, frames: np.ndarray, classes: np.ndarray, scores: np.ndarray, boxes: np.ndarray
    ) -> VideoDetections:
        """The same video with other detections, ordered by frame, that are not linked."""
        return replace(
            self,
            frames=frames,
            classes=classes,
            scores=scores,
            boxes=boxes,
            tracks=np.full(len(frames), NO_TRACK),
        )

    def of_score(self, threshold: float) -> VideoDetections:
        """The detections with a score of at least ``threshold``."""
        kept = self.scores >= threshold
        columns = self.frames, self.classes, self.scores, self.boxes
        return self.with_detections(*(c[kept] for c in columns)).with_tracks(self.tracks[kept])

    def with_tracks(self, tracks: Sequence[int] | np.ndarray) -> VideoDetections:
        """The same detections with other numbers of objects."""
        return replace(self, tracks=np.asarray(tracks, dtype=np.int64).reshape(len(self)))


class DetectionRows:
    """Detections in rows, from records of frames as they are in the JSON lines of ``demo.py``."""

    def __init__(self, class_names: Sequence[str]) -> None:
        self._classes = {name: number for number, name in enumerate(class_names)}
        self._ints = array("q")  # frame, class, track of each detection
        self._floats = array("d")  # score and box of each detection

    def append(self, record: dict) -> None:
        """Add the detections of a frame."""
        for row in record["detections"]:
            track = NO_TRACK if row["track"] is None else row["track"]
            self._ints.extend((record["frame"], self._classes[row["class"]], track))
            self._floats.extend((row["score"], *row["box"]))

    def put_into(self, video: VideoDetections) -> VideoDetections:
        """The video with these detections."""
        frames, classes, tracks = np.array(self._ints, dtype=np.int64).reshape(-1, 3).T
        floats = np.array(self._floats).reshape(-1, 5)
        found = video.with_detections(frames, classes, floats[:, 0], floats[:, 1:])
        return found.with_tracks(tracks)


class DetectionRecorder:
    """Collects the detections of a video as they come, in about 60 bytes each."""

    def __init__(self, path: str, source: FrameSource, class_names: Sequence[str]) -> None:
        """
        Args:
            path: that of the video, or a number of a camera.
            source: its frames.
            class_names: names of the classes.
        """
        self._video = video_of_source(path, source, class_names)
        self._source_length = source.length or 0
        self._rows = DetectionRows(class_names)
        self._frames = array("q")  # number, width, height of each frame

    def append(self, record: dict, size: tuple[int, int]) -> None:
        """Add a frame: its record, as in the JSON lines of ``demo.py``, its width and height."""
        self._frames.extend((record["frame"], *size))
        self._rows.append(record)

    def detections(self) -> VideoDetections:
        """What has been collected; other frames of the source have no detections."""
        found = self._rows.put_into(self._video)
        table = np.array(self._frames, dtype=np.int64).reshape(-1, 3)
        if not len(table):
            return found
        sizes = sizes_of_frames(table[:, 0], table[:, 1:], self._source_length)
        return replace(found, sizes=sizes, is_seen=np.isin(np.arange(len(sizes)), table[:, 0]))


def sizes_of_frames(numbers: np.ndarray, sizes: np.ndarray, length: int) -> np.ndarray:
    """(T, 2) sizes of all frames; those that are missing have that of the frame before.

    Args:
        numbers: (S,) numbers of the frames that are there, in order; at least one.
        sizes: (S, 2) their sizes.
        length: number of frames; it may be less than there are.
    """
    frames = np.arange(max(length, numbers[-1] + 1))
    places = np.searchsorted(numbers, frames, side="right") - 1
    return sizes[places.clip(0)]


def video_of_source(path: str, source: FrameSource, class_names: Sequence[str]) -> VideoDetections:
    """Video without detections, of frames whose sizes are not known yet.

    The arguments are those of :class:`DetectionRecorder`.
    """
    name = video_name(path)
    files = None
    if source.files is not None:
        files = [f"{name}/{file.name}" for file in source.files]
    is_file = files is None and Path(path).is_file()
    return VideoDetections(
        name=name,
        class_names=class_names,
        sizes=np.zeros((0, 2), np.int64),
        files=files,
        video_file=Path(path).name if is_file else None,
        fps=source.fps,
    )


def video_name(path: str) -> str:
    """Name of a video: its folder of images, also of a glob, or its file without suffix."""
    place = Path(os.path.abspath(path))
    if not place.exists() and set("*?[") & set(place.name):
        return place.parent.name
    return place.name if place.is_dir() else place.stem
