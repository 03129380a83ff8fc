"""Registration of COCO-VID JSON with Detectron2."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog

from ..video_frame_names import join_root
from ..video_index import VideoIndex
from .vid_json import VIDTable, read_vid_json


def register_vid_instances(
    name: str,
    metadata: dict,
    json_file: str,
    image_root: str,
    *,
    key_frames_only: bool | None = None,
) -> None:
    """Register videos with Detectron2, under a name for ``DATASETS.TRAIN`` and ``DATASETS.TEST``.

    ``metadata`` has more entries for the metadata; for the others see :func:`load_vid_json`.
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
    """Load frames in Detectron2's format, ordered by video and frame.

    Args:
        json_file: COCO-VID JSON.
        image_root: folder that its file names are relative to.
        dataset_name: if given, ``thing_classes`` and the mapping of category ids are put into its
            metadata. Classes are ordered by category id.
        key_frames_only: return only frames with ``is_vid_train_frame``. None: only those if there
            are any, else all.

    Returns:
        a dict per frame: file_name, image_id, height, width, dataset_name, video_id,
        frame_index, annotations [{bbox, bbox_mode, category_id, track_id, iscrowd}]. Boxes less
        than a pixel wide or high are left out; the scorers count them.

    Raises:
        InputError: if the file breaks a rule of the format.
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


def video_index(*dataset_names: str) -> VideoIndex:
    """Index all frames of registered videos by (dataset_name, video_id); none of still images."""
    videos: dict[Hashable, Sequence[str]] = {}
    for dataset_name in filter(is_of_videos, dataset_names):
        metadata = MetadataCatalog.get(dataset_name)
        table = read_vid_json(metadata.json_file)
        starts = np.flatnonzero(np.diff(table.video_ids, prepend=np.nan))
        for start, end in pairwise([*starts, len(table)]):
            names = [join_root(metadata.image_root, name) for name in table.file_names[start:end]]
            videos[dataset_name, int(table.video_ids[start])] = names
    return VideoIndex(videos)


def class_names(dataset_name: str) -> list[str]:
    """Names of the classes of a registered data set; its records are built only if needed.

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
