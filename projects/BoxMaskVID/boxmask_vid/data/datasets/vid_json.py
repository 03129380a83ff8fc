"""COCO-VID JSON, the exchange format.

``categories`` {id, name}; ``videos`` {id, name}; ``images`` {id, video_id, frame_id (0 .. N-1
inside its video), file_name, width, height, is_vid_train_frame}; ``annotations`` {id, image_id,
category_id, instance_id or track_id (the track), bbox [x, y, w, h] in pixels, iscrowd or ignore
(neither trained on nor scored)}. All frames of a video are listed; ``is_vid_train_frame`` marks
those that are key frames in training. Where a video has a ``file_name``, that of a video file, its
images need none: they are the frames of the file.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass
from itertools import chain

import numpy as np
from detectron2.structures import BoxMode
from detectron2.utils.file_io import PathManager

from ...errors import InputError
from ...files import read_json
from ..video_frame_names import join_root
from .vid_columns import VIDColumns
from .vid_form import form_violations
from .vid_rules import OVER_THE_EDGE, content_violations

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VIDTable:
    """A valid COCO-VID JSON in columns; frames ordered by video and frame number.

    N frames, A annotations. Those of frame ``i`` end before row ``annotation_ends[i]``; they are in
    the order of the file.
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
    classes: np.ndarray  # (A,) position of the category in category_ids
    tracks: np.ndarray  # (A,) -1 where none is given
    is_crowd: np.ndarray  # (A,) bool: iscrowd or ignore
    occluded: np.ndarray  # (A,) 0 or 1, -1 where none is given

    def __len__(self) -> int:
        return len(self.image_ids)

    def record(self, row: int, image_root: str, dataset_name: str | None) -> dict:
        """Build the dict of a frame in Detectron2's format."""
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
                    "bbox": self.boxes[box].tolist(),
                    "bbox_mode": BoxMode.XYWH_ABS,
                    "category_id": int(self.classes[box]),
                    "track_id": int(self.tracks[box]),
                    "iscrowd": int(self.is_crowd[box]),
                }
                for box in range(first, self.annotation_ends[row])
                if (self.boxes[box, 2:] >= 1).all()
            ],
        }


def read_vid_json(json_file: str) -> VIDTable:
    """Read and check a COCO-VID JSON; a file that has not changed is read once.

    Raises:
        InputError: if the file breaks a rule of the format.
        FileNotFoundError: if there is no such file.
    """
    path = PathManager.get_local_path(json_file)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"Annotation file {json_file} not found: check the path that is registered (built-in "
            "data sets are under $DETECTRON2_DATASETS, see datasets/README.md)."
        )
    return _read(path, os.stat(path).st_mtime_ns)


def vid_table(content: object, source: str) -> VIDTable:
    """Check the decoded content of a COCO-VID JSON, which messages call ``source``.

    Raises:
        InputError: if it breaks a rule of the format.
    """
    columns = VIDColumns(content)
    for violations in chain(form_violations(columns), content_violations(columns)):
        first = violations.rows[0]
        if violations.sentence is not None:
            raise InputError(f"{source}: {violations.describe(first, violations.sentence)}")
        if violations.rule == OVER_THE_EDGE:
            logger.warning(
                f"{source}: {len(violations.rows)} boxes reach over the edge of their image and "
                f"are clipped in training, the first in {violations.describe(first, '{who}')}."
            )
    small = (columns.boxes[:, 2:] < 1).any(axis=1).sum()
    if small:
        logger.warning(
            f"{source}: {small} boxes less than a pixel wide or high left out in training."
        )
    return _table(columns)


@functools.lru_cache(maxsize=8)
def _read(path: str, modified: int) -> VIDTable:
    return vid_table(read_json(path), path)


def _table(columns: VIDColumns) -> VIDTable:
    """Order columns that have no violations."""
    order, by_id = columns.frame_order, np.argsort(columns.numbers("categories", "id"))
    category_ids = columns.numbers("categories", "id")[by_id]
    names = columns.values("categories", "name")
    rows = np.argsort(order)[columns.image_rows]  # frame of each annotation
    by_frame = np.argsort(rows, kind="stable")
    boxes, areas = columns.boxes[by_frame], columns.areas[by_frame]

    def of_images(field: str) -> np.ndarray:
        return columns.numbers("images", field)[order]

    def of_annotations(field: str) -> np.ndarray:
        return columns.numbers("annotations", field)[by_frame]

    return VIDTable(
        category_ids=category_ids,
        category_names=tuple(str(names[index]) for index in by_id),
        file_names=np.array(columns.file_names, dtype=object)[order],
        image_ids=of_images("id"),
        video_ids=of_images("video_id"),
        frame_ids=of_images("frame_id"),
        sizes=columns.sizes[order],
        is_key_frame=of_images("is_vid_train_frame").astype(bool),
        annotation_ends=np.cumsum(np.bincount(rows, minlength=len(order))),
        annotation_ids=of_annotations("id"),
        boxes=boxes,
        areas=np.where(areas < 0, boxes[:, 2] * boxes[:, 3], areas),
        classes=np.searchsorted(category_ids, of_annotations("category_id")),
        tracks=of_annotations("instance_id"),
        is_crowd=columns.is_ignored[by_frame],
        occluded=of_annotations("occluded"),
    )
