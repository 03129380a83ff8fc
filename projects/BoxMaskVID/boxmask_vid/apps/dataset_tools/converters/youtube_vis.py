"""Reader of YouTube-VIS and OVIS JSON: boxes as given, or around the masks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as masks

from ....data.datasets.numbered_frames import split_clips
from ....errors import InputError
from ....files import read_json
from ..corners import CornerCheck
from .labels import LabelledBox, Labels, VideoLabels, number, whole_number

NOT_SEEN: tuple = (None, [])  # entries for frames on which an object is not seen
NEVER_SEEN = "objects without any box or mask"
DOUBLED = "objects that are given twice"
LONGEST_PATH = 4096  # characters; no system opens longer ones
NO_AREA = "boxes and masks without area"


def read_youtube_vis(source: Path) -> Labels:
    """Read YouTube-VIS JSON.

    Args:
        source: JSON with ``videos`` {id, width, height, file_names}, ``categories`` and
            ``annotations`` {video_id, category_id, bboxes or segmentations, iscrowd}; these lists
            have an entry per frame, null where the object is not visible.
    """
    content = read_json(source)
    _check_kind(content, source)
    sections = {}
    for name in ("videos", "categories", "annotations"):
        section = content.get(name) if isinstance(content, dict) else None
        if not isinstance(section, list) or not all(isinstance(record, dict) for record in section):
            raise InputError(f"{source} has no list '{name}' of records: give a YouTube-VIS JSON.")
        sections[name] = section
    where = f"{source}, category"
    names: dict[Any, str] = {}
    for record in sections["categories"]:
        _add_once(names, _get_id(record, "id", where), str(_get_id(record, "name", where)), where)
    videos: dict[Any, VideoLabels] = {}
    for record in sections["videos"]:
        labels = _video(record, source)
        _add_once(videos, _get_id(record, "id", source.name), labels, f"{source}, video")
    left_out: Counter[str] = Counter()
    seen: set[str] = set()
    corners = CornerCheck()
    videos = _with_own_names(videos)
    for row, record in enumerate(sections["annotations"]):
        where = f"{source}, annotation {record.get('id', f'number {row}')}"
        video = videos.get(_get_id(record, "video_id", where))
        category = names.get(_get_id(record, "category_id", where))
        if video is None or category is None:
            missing = "video_id" if video is None else "category_id"
            raise InputError(
                f"{where}: {missing} {record[missing]} is not in the file: correct it."
            )
        boxes, without_area = _track(record, row, video, category, where, corners)
        content_of = json.dumps({**record, "id": None}, sort_keys=True)
        if boxes and content_of in seen:
            left_out[DOUBLED] += 1
            continue
        seen.add(content_of)
        video.boxes.extend(boxes)
        left_out += without_area
    if reason := corners.reason():
        raise InputError(
            f"{source}: the boxes are x1, y1, x2, y2, {reason}, and YouTube-VIS has x, y, width, "
            "height: write them so."
        )
    notes = [note for video in videos.values() for note in _note_clips(video)]
    return Labels(list(videos.values()), list(names.values()), left_out, notes)


def _with_own_names(videos: dict[Any, VideoLabels]) -> dict[Any, VideoLabels]:
    """Name the videos of a common folder after it and their ids."""
    counts = Counter(video.name for video in videos.values())
    return {
        key: replace(video, name=f"{video.name}/{key}") if counts[video.name] > 1 else video
        for key, video in videos.items()
    }


def _note_clips(video: VideoLabels) -> Iterator[str]:
    """Say that a video has images of several clips, as its file_names want it."""
    clips = split_clips(video.images or ())
    if len(clips) > 1:
        yield (
            f"{video.where} has images of {len(clips)} clips, {clips[0].name} and "
            f"{clips[1].name} among them, in one video: split it in the JSON if they are several"
        )


def _add_once(records: dict, key: object, value: object, where: str) -> None:
    if key in records:
        raise InputError(f"{where} {key} is there twice: give each an id of its own.")
    records[key] = value


def _check_kind(content: object, source: Path) -> None:
    """Raise ``InputError`` for JSON of other kinds that people have, with a way out."""
    if not isinstance(content, dict):
        return
    if isinstance(content.get("images"), list):
        if any(isinstance(image, dict) and "video_id" in image for image in content["images"]):
            raise InputError(
                f"{source} is COCO-VID JSON already: check it with check_vid_json.py and train "
                "with --dataset NAME JSON ROOT."
            )
        raise InputError(
            f"{source} is COCO JSON of still images, which have no videos: register it with "
            "detectron2's register_coco_instances(NAME, {}, JSON, ROOT)."
        )
    if isinstance(content.get("videos"), list) and content.get("annotations") is None:
        raise InputError(
            f"{source} is a split without annotations, as YouTube-VIS publishes valid and test: "
            "give its train split; demo.py detects in the images of this one, a folder a video."
        )


def _get_id(record: dict, field: str, where: str) -> int | str:
    value = record.get(field)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, (int, str)) or isinstance(value, bool):
        raise InputError(f"{where}: '{field}' is {str(value)[:40]!r}: correct it.")
    return value


def _video(record: dict, source: Path) -> VideoLabels:
    where = f"{source}, video {_get_id(record, 'id', f'{source}, video')}"
    files = record.get("file_names")
    if not isinstance(files, list) or not files or not all(isinstance(f, str) for f in files):
        raise InputError(f"{where}: 'file_names' must be the names of its images: correct it.")
    files = [file.replace("\\", "/") for file in files]
    if len(set(files)) < len(files):
        raise InputError(f"{where}: 'file_names' has an image twice: correct it.")
    if max(map(len, files)) > LONGEST_PATH:
        raise InputError(
            f"{where}: 'file_names' has {max(files, key=len)[:40]!r}..., too long: correct it."
        )
    length = record.get("length", len(files))
    if length != len(files):
        raise InputError(
            f"{where}: 'length' is {length}, but it has {len(files)} file_names: correct one of "
            "them."
        )
    width, height = (whole_number(record.get(side), where, side) for side in ("width", "height"))
    if min(width, height) <= 0:
        raise InputError(f"{where}: its size is {width} x {height} pixels: correct it.")
    folder = PurePosixPath(files[0]).parent.as_posix()
    name = folder if folder != "." else str(record["id"])
    return VideoLabels(name, where, [], images=tuple(files), size=(width, height))


def _track(
    record: dict,
    row: int,
    video: VideoLabels,
    category: str,
    where: str,
    corners: CornerCheck,
) -> tuple[list[LabelledBox], Counter[str]]:
    """Read the boxes of an object, and count what is left out of it.

    What tells whether boxes are corners is added to ``corners``: of masks, the first one.
    """
    assert video.images is not None
    assert video.size is not None
    length = len(video.images)
    given = record.get("bboxes") or [None] * length
    segments = record.get("segmentations") or [None] * length
    for field, values in (("bboxes", given), ("segmentations", segments)):
        if not isinstance(values, list) or len(values) != length:
            raise InputError(
                f"{where}: '{field}' must have {length} entries, one per frame: correct it."
            )
    ignored = 1 in (record.get("iscrowd"), record.get("ignore"))
    boxes: list[LabelledBox] = []
    left_out: Counter[str] = Counter()
    areas = record.get("areas")
    areas = areas if isinstance(areas, list) and len(areas) == length else [None] * length
    has_mask = False
    for frame, (box, segment, area) in enumerate(zip(given, segments, areas, strict=True)):
        here = f"{where}, frame {frame}"
        is_given = box not in NOT_SEEN
        if not is_given and segment not in NOT_SEEN:
            box = _box_around(segment, video.size, here)
        if box in NOT_SEEN:
            continue
        if not isinstance(box, list) or len(box) != 4:
            raise InputError(
                f"{here}: the box {str(box)[:40]} is not x, y, width, height: correct it."
            )
        x, y, w, h = (number(side, float, here, "a side of its box") for side in box)
        if min(w, h) <= 0:
            left_out[NO_AREA] += 1
            continue
        if is_given:
            corners.boxes.append(((x, y, w, h), video.size))
            if isinstance(area, (int, float)):
                corners.areas.append(((x, y, w, h), area))
            if not has_mask and segment not in NOT_SEEN:
                with suppress(InputError):  # boxes are used, also of masks that are not readable
                    corners.masks.append(((x, y, w, h), _box_around(segment, video.size, here)))
                has_mask = True
        boxes.append(LabelledBox(frame, category, (x, y, w, h), here, track=row, ignored=ignored))
    if not boxes and not left_out:
        left_out[NEVER_SEEN] += 1
    return boxes, left_out


def _box_around(segment: dict | list, size: tuple[int, int], where: str) -> list[float]:
    """Find the box around a mask: a run-length encoding, compressed or not, or polygons."""
    width, height = size
    try:
        if isinstance(segment, list):
            encoded = masks.merge(masks.frPyObjects(segment, height, width))
        elif isinstance(segment["counts"], list):
            encoded = masks.frPyObjects(segment, *segment["size"])
        else:
            encoded = segment
        if tuple(encoded["size"]) != (height, width):
            raise ValueError(f"its size is {encoded['size']}, not {[height, width]}")
        if isinstance(encoded["counts"], str):
            encoded["counts"].encode("ascii")
        return [float(side) for side in masks.toBbox(encoded)]
    except Exception as error:  # pycocotools raises errors of many types
        raise InputError(f"{where}: its mask cannot be decoded ({error}): correct it.") from error
