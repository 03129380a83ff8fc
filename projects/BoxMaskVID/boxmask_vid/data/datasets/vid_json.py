"""COCO-VID JSON, the exchange format: what it must look like, and its way into Detectron2.

``categories`` {id, name}; ``videos`` {id, name}; ``images`` {id, video_id, frame_id (0 .. N-1
inside its video), file_name, width, height, is_vid_train_frame}; ``annotations`` {id, image_id,
category_id, instance_id (the track), bbox [x, y, w, h] in pixels, iscrowd}. All frames of a video
are listed; ``is_vid_train_frame`` marks those that are key frames in training. Where a video has a
``file_name``, that of a video file, its images need none: they are the frames of the file.
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager

from ...errors import InputError
from ...files import read_json
from ..video_frame_names import join_root, video_frame_name
from ..video_index import VideoIndex

logger = logging.getLogger(__name__)


def register_vid_instances(
    name: str,
    metadata: dict,
    json_file: str,
    image_root: str,
    *,
    key_frames_only: bool | None = None,
) -> None:
    """Register a data set of videos with Detectron2.

    Args:
        name: name for ``DATASETS.TRAIN`` and ``DATASETS.TEST``.
        metadata: anything to add to the metadata.
        json_file: COCO-VID JSON.
        image_root: folder that its file names are relative to.
        key_frames_only: see :func:`load_vid_json`.
    """

    def load() -> list[dict]:
        return load_vid_json(json_file, image_root, name, key_frames_only=key_frames_only)

    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(
        json_file=json_file, image_root=image_root, evaluator_type="vid", **metadata
    )


def load_vid_json(
    json_file: str,
    image_root: str,
    dataset_name: str | None = None,
    *,
    key_frames_only: bool | None = None,
) -> list[dict]:
    """Frames in Detectron2's format, ordered by video and frame.

    Args:
        json_file: COCO-VID JSON.
        image_root: folder that its file names are relative to.
        dataset_name: if given, ``thing_classes`` and the mapping of category ids are put into its
            metadata. Classes are ordered by category id.
        key_frames_only: return only frames with ``is_vid_train_frame``. None: only those if there
            are any, else all.

    Returns:
        one dict for each frame: file_name, image_id, height, width, dataset_name, video_id,
        frame_index, annotations [{bbox, bbox_mode, category_id, track_id, iscrowd}]. Boxes less
        than a pixel wide or high are left out; the scorers count them.

    Raises:
        InputError: if something in the file cannot be right.
        FileNotFoundError: if there is no such file.
    """
    table = read_vid_json(json_file)
    if dataset_name is not None:
        _set_classes(dataset_name, table)
    if key_frames_only is None:
        key_frames_only = bool(table.is_key_frame.any())
    rows = np.flatnonzero(table.is_key_frame) if key_frames_only else range(len(table))
    return [table.record(row, image_root, dataset_name) for row in rows]


def is_of_videos(dataset_name: str) -> bool:
    """Whether a registered data set was registered by :func:`register_vid_instances`."""
    return MetadataCatalog.get(dataset_name).get("evaluator_type") == "vid"


def video_index(dataset_name: str) -> VideoIndex:
    """All frames of a registered data set, keyed by (dataset_name, video_id); empty for others."""
    metadata = MetadataCatalog.get(dataset_name)
    if not is_of_videos(dataset_name):
        return VideoIndex({})
    table = read_vid_json(metadata.json_file)
    root, videos = metadata.image_root, {}
    starts = np.flatnonzero(np.diff(table.video_ids, prepend=np.nan))
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        names = [join_root(root, name) for name in table.file_names[start:end]]
        videos[dataset_name, int(table.video_ids[start])] = names
    return VideoIndex(videos)


def class_names(dataset_name: str) -> list[str]:
    """Classes of a registered data set, without building its records if that can be avoided.

    Raises:
        KeyError: if it is not registered.
    """
    metadata = MetadataCatalog.get(dataset_name)
    if is_of_videos(dataset_name):
        _set_classes(dataset_name, read_vid_json(metadata.json_file))
    elif not metadata.get("thing_classes"):
        DatasetCatalog.get(dataset_name)
    return metadata.thing_classes


def _set_classes(dataset_name: str, table: VIDTable) -> None:
    MetadataCatalog.get(dataset_name).set(
        thing_classes=list(table.category_names),
        thing_dataset_id_to_contiguous_id={
            int(category): index for index, category in enumerate(table.category_ids)
        },
    )


@dataclass(frozen=True)
class VIDTable:
    """A checked COCO-VID JSON in columns; frames ordered by video and frame number.

    N frames, A annotations. ``annotation_ends[i]`` is where the annotations of frame ``i`` end;
    those of a frame are in the order of the file.
    """

    category_ids: np.ndarray  # sorted
    category_names: tuple[str, ...]
    file_names: np.ndarray  # (N,) str
    image_ids: np.ndarray
    video_ids: np.ndarray
    frame_ids: np.ndarray
    sizes: np.ndarray  # (N, 2) height, width
    is_key_frame: np.ndarray
    annotation_ends: np.ndarray
    annotation_ids: np.ndarray  # (A,) as in the file: they may repeat
    boxes: np.ndarray  # (A, 4) x, y, w, h
    areas: np.ndarray  # (A,) w * h where none is given
    classes: np.ndarray  # (A,) position of the category
    tracks: np.ndarray  # (A,) -1 where none is given
    is_crowd: np.ndarray
    occluded: np.ndarray  # (A,) 0 or 1, -1 where nothing is said

    def __len__(self) -> int:
        return len(self.image_ids)

    def record(self, row: int, image_root: str, dataset_name: str | None) -> dict:
        """A frame as a dict in Detectron2's format."""
        first = self.annotation_ends[row - 1] if row else 0
        height, width = self.sizes[row].tolist()
        return {
            "file_name": join_root(image_root, self.file_names[row]),
            "image_id": int(self.image_ids[row]),
            "height": height,
            "width": width,
            "dataset_name": dataset_name,
            "video_id": int(self.video_ids[row]),
            "frame_index": int(self.frame_ids[row]),
            "annotations": [
                {
                    "bbox": self.boxes[each].tolist(),
                    "bbox_mode": BoxMode.XYWH_ABS,
                    "category_id": int(self.classes[each]),
                    "track_id": int(self.tracks[each]),
                    "iscrowd": int(self.is_crowd[each]),
                }
                for each in range(first, self.annotation_ends[row])
                if (self.boxes[each, 2:] >= 1).all()
            ],
        }


def read_vid_json(json_file: str) -> VIDTable:
    """Read and check a COCO-VID JSON; reading the same file again costs nothing.

    Raises:
        InputError: if something in the file cannot be right.
        FileNotFoundError: if there is no such file.
    """
    path = PathManager.get_local_path(json_file)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"There is no annotation file {json_file}: check the path it is registered with (the "
            "built-in data sets lie under $DETECTRON2_DATASETS, see datasets/README.md)."
        )
    return _read(path, os.stat(path).st_mtime_ns)


def vid_table(content: dict, source: str) -> VIDTable:
    """Check the content of a COCO-VID JSON.

    Args:
        content: the decoded JSON.
        source: what error messages call it, e.g. the file name.

    Raises:
        InputError: if something in it cannot be right.
    """
    return _Checker(source, content).table()


@functools.lru_cache(maxsize=8)
def _read(path: str, modified: int) -> VIDTable:
    return vid_table(read_json(path), path)


class _Checker:
    """Turns the content of a JSON into a table, or says what is wrong with it."""

    def __init__(self, path: str, content: dict) -> None:
        self.path = path
        self.content = content

    def bad(self, what: str) -> InputError:
        return InputError(f"{self.path}: {what}")

    def table(self) -> VIDTable:
        category_ids, names = self.categories()
        frames = self.frames()
        annotations = self.annotations(frames, category_ids)
        return VIDTable(category_ids=category_ids, category_names=names, **frames, **annotations)

    def section(self, name: str) -> list[dict]:
        if not isinstance(self.content, dict) or not isinstance(self.content.get(name), list):
            remedy = {
                "videos": "a COCO-VID file lists them; still images without videos are "
                "registered with detectron2's register_coco_instances",
            }.get(name, "a COCO-VID file has categories, videos, images and annotations")
            raise self.bad(f"it has no list '{name}': {remedy}.")
        wrong = next((each for each in self.content[name] if not isinstance(each, dict)), None)
        if wrong is not None:
            raise self.bad(f"'{name}' has the entry {str(wrong)[:40]!r}, which is no record.")
        return self.content[name]

    def column(self, section: str, field: str, default: object = None) -> list:
        """A field of all records; required unless there is a default."""
        records = self.section(section)
        values = [record.get(field, default) for record in records]
        if default is None and None in values:
            record = records[values.index(None)]
            raise self.bad(f"{_describe(section, record)} has no '{field}': add it.")
        return values

    def ids(self, section: str, field: str, default: int | None = None) -> np.ndarray:
        """A column of whole numbers."""
        values = self.column(section, field, default)
        try:
            return _whole_numbers(values)
        except (TypeError, ValueError):
            wrong = next(i for i, each in enumerate(values) if not _is_whole_number(each))
            raise self.bad(
                f"{_describe(section, self.section(section)[wrong])} has '{field}' "
                f"{str(values[wrong])[:40]!r}: it must be a whole number."
            ) from None

    def categories(self) -> tuple[np.ndarray, tuple[str, ...]]:
        ids = self.ids("categories", "id")
        names = [str(each) for each in self.column("categories", "name")]
        if not len(ids):
            raise self.bad("it has no categories: list those that may occur.")
        self.check_unique("categories", ids)
        order = np.argsort(ids)
        return ids[order], tuple(names[index] for index in order)

    def check_unique(self, section: str, ids: np.ndarray) -> None:
        values, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            repeated = values[counts > 1][0]
            raise self.bad(f"'{section}' has id {repeated} more than once: ids must be unique.")

    def frames(self) -> dict[str, np.ndarray]:
        known_videos = self.ids("videos", "id")
        if not self.section("images"):
            raise self.bad("the data set is empty: 'images' lists no frame.")
        image = next((each for each in self.section("images") if "video_id" not in each), None)
        if image is not None:
            raise self.bad(
                f"{_describe('images', image)} has no 'video_id': give its video, or put still "
                "images into a COCO file of their own."
            )
        videos, frame_ids = self.ids("images", "video_id"), self.ids("images", "frame_id")
        image_ids = self.ids("images", "id")
        self.check_unique("images", image_ids)
        self.check_unique("videos", known_videos)
        unknown = ~np.isin(videos, known_videos)
        if unknown.any():
            image = self.content["images"][int(np.flatnonzero(unknown)[0])]
            raise self.bad(
                f"{_describe('images', image)} has video_id {image['video_id']}, which is not in "
                "'videos': add the video."
            )
        order = np.lexsort((frame_ids, videos))
        videos, frame_ids = videos[order], frame_ids[order]
        self.check_frame_ids(videos, frame_ids)
        sizes = np.stack([self.ids("images", "height"), self.ids("images", "width")], axis=1)
        return {
            "file_names": self.file_names()[order],
            "image_ids": image_ids[order],
            "video_ids": videos,
            "frame_ids": frame_ids,
            "sizes": sizes[order],
            "is_key_frame": self.ids("images", "is_vid_train_frame", False).astype(bool)[order],
        }

    def file_names(self) -> np.ndarray:
        """(N,) str objects; frames of video files get the names of ``video_frames``."""
        video_files = {
            video["id"]: video["file_name"]
            for video in self.section("videos")
            if video.get("file_name") is not None
        }
        names = np.empty(len(self.section("images")), dtype=object)
        for row, image in enumerate(self.section("images")):
            if image.get("file_name") is not None:
                names[row] = str(image["file_name"])
            elif image["video_id"] in video_files:
                names[row] = video_frame_name(video_files[image["video_id"]], image["frame_id"])
            else:
                raise self.bad(
                    f"{_describe('images', image)} has no 'file_name': add it, or give its video "
                    "the 'file_name' of a video file."
                )
        return names

    def check_frame_ids(self, videos: np.ndarray, frame_ids: np.ndarray) -> None:
        first_rows = np.flatnonzero(np.diff(videos, prepend=np.nan))
        lengths = np.diff([*first_rows, len(videos)])
        expected = np.arange(len(videos)) - np.repeat(first_rows, lengths)
        wrong = np.flatnonzero(frame_ids != expected)
        if len(wrong):
            row = wrong[0]
            found = frame_ids[row]
            problem = "repeats" if found < expected[row] else f"lacks {expected[row]}, next is"
            raise self.bad(
                f"video {videos[row]} {problem} frame_id {found}: frames count from 0 without gaps "
                "or repeats; list every frame, and renumber them if some were left out."
            )

    def annotations(self, frames: dict, category_ids: np.ndarray) -> dict[str, np.ndarray]:
        annotation_ids = self.ids("annotations", "id")
        images = self.ids("annotations", "image_id")
        categories = self.ids("annotations", "category_id")
        by_image = np.argsort(frames["image_ids"])
        sorted_ids = frames["image_ids"][by_image]
        self.check_known(images, sorted_ids, "image_id", "'images'")
        self.check_known(categories, category_ids, "category_id", "'categories'")
        rows = by_image[np.searchsorted(sorted_ids, images)]
        boxes = self.boxes(frames["sizes"][rows])
        small = (boxes[:, 2:] < 1).any(axis=1).sum()
        if small:
            logger.warning(
                f"{self.path}: {small} boxes less than a pixel wide or high left out in training."
            )
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows[order], minlength=len(frames["image_ids"]))
        return {
            "annotation_ends": np.cumsum(counts),
            "annotation_ids": annotation_ids[order],
            "boxes": boxes[order],
            "areas": self.areas(boxes)[order],
            "classes": np.searchsorted(category_ids, categories)[order],
            "tracks": self.ids("annotations", "instance_id", -1)[order],
            "is_crowd": self.ids("annotations", "iscrowd", 0)[order].astype(bool),
            "occluded": self.ids("annotations", "occluded", -1)[order],
        }

    def check_known(self, used: np.ndarray, known: np.ndarray, field: str, where: str) -> None:
        unknown = np.flatnonzero(~np.isin(used, known))
        if len(unknown):
            annotation = self.content["annotations"][unknown[0]]
            raise self.bad(
                f"{_describe('annotations', annotation)} has {field} {annotation[field]}, which is "
                f"not in {where}: correct it, or add what is missing."
            )

    def boxes(self, sizes: np.ndarray) -> np.ndarray:
        """(A, 4) ``x, y, w, h``; ``sizes`` (A, 2) are those of their images."""
        values = [record.get("bbox") for record in self.section("annotations")]
        try:
            boxes = np.asarray(values, dtype=np.float64).reshape(len(values), 4)
        except (TypeError, ValueError, OverflowError):
            wrong = next(i for i, box in enumerate(values) if not _is_box(box))
            raise self.bad_box(wrong, "is not a list of four numbers x, y, width, height") from None
        corner, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        for wrong, problem in (
            (~np.isfinite(boxes).all(axis=1), "is not finite"),
            ((boxes[:, 2:] <= 0).any(axis=1), "has no area"),
            (
                ((end <= 0) | (corner >= sizes[:, ::-1])).any(axis=1),
                "lies outside its image",
            ),
        ):
            if wrong.any():
                raise self.bad_box(int(np.flatnonzero(wrong)[0]), problem)
        over = (corner < 0).any(axis=1) | (end > sizes[:, ::-1]).any(axis=1)
        if over.any():
            first = self.content["annotations"][int(np.flatnonzero(over)[0])]
            logger.warning(
                f"{self.path}: {over.sum()} boxes reach over the edge of their image and are "
                f"clipped in training, the first in {_describe('annotations', first)}."
            )
        return boxes

    def areas(self, boxes: np.ndarray) -> np.ndarray:
        """(A,) ``area`` of the records."""
        values = self.column("annotations", "area", default=-1)
        try:
            given = np.asarray(values, dtype=np.float64).reshape(len(values))
            wrong = np.flatnonzero(~np.isfinite(given))
        except (TypeError, ValueError, OverflowError):
            wrong = [row for row, each in enumerate(values) if not _is_finite(each)]
        if len(wrong):
            record = self.content["annotations"][int(wrong[0])]
            raise self.bad(
                f"{_describe('annotations', record)} has area {repr(record['area'])[:40]}: it must "
                "be a finite number."
            )
        return np.where(given < 0, boxes[:, 2] * boxes[:, 3], given)

    def bad_box(self, index: int, problem: str) -> InputError:
        record = self.content["annotations"][index]
        return self.bad(
            f"{_describe('annotations', record)} has bbox {record.get('bbox')}, which {problem}: "
            "correct or remove it."
        )


def _describe(section: str, record: dict) -> str:
    one = {"categories": "category"}.get(section, section[:-1])
    details = [f"{one} {record.get('id', 'without id')}"]
    details += [f"{key} {record[key]}" for key in ("file_name", "image_id") if key in record]
    return " of ".join(details) if section == "annotations" else ", ".join(details)


def _whole_numbers(values: list) -> np.ndarray:
    """
    Raises:
        ValueError, TypeError: if one is not whole, or too large.
    """
    return np.asarray(values or np.zeros(0, np.int64)).astype(np.int64, casting="safe")


def _is_whole_number(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(value)
    except (TypeError, OverflowError):
        return False


def _is_box(value: object) -> bool:
    return isinstance(value, Iterable) and len(list(value)) == 4 and all(map(_is_finite, value))
