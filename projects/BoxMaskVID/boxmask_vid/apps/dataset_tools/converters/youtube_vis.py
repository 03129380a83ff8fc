"""YouTube-VIS and OVIS JSON: boxes as given, or around the masks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pycocotools import mask as masks

from ....errors import InputError
from ....files import read_json
from .labels import LabelledBox, Labels, VideoLabels, number


def read_youtube_vis(source: Path) -> Labels:
    """
    Args:
        source: JSON with ``videos`` {id, width, height, file_names}, ``categories`` and
            ``annotations`` {video_id, category_id, bboxes or segmentations, iscrowd}, one entry of
            those for each frame, null where the object is not seen.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not what it should be.
    """
    if not source.is_file():
        raise FileNotFoundError(f"There is no file {source}: bring it.")
    content = read_json(source)
    sections = {}
    for name in ("videos", "categories", "annotations"):
        section = content.get(name) if isinstance(content, dict) else None
        if not isinstance(section, list) or not all(isinstance(each, dict) for each in section):
            raise InputError(
                f"{source} has no list '{name}' of records: it is not YouTube-VIS JSON."
            )
        sections[name] = section
    names = {
        _get(each, "id", (int, str), f"{source}, category"): str(
            _get(each, "name", (str, int), f"{source}, category")
        )
        for each in sections["categories"]
    }
    videos = {}
    for each in sections["videos"]:
        video = _video(each, source)
        videos[each["id"]] = video
    left_out = 0
    for row, each in enumerate(sections["annotations"]):
        where = f"{source}, annotation {each.get('id', f'number {row}')}"
        video = videos.get(_get(each, "video_id", (int, str), where))
        category = names.get(_get(each, "category_id", (int, str), where))
        if video is None or category is None:
            missing = "video_id" if video is None else "category_id"
            raise InputError(f"{where}: {missing} {each[missing]} is not in the file: correct it.")
        boxes, empty = _track(each, row, video, category, where)
        video.boxes.extend(boxes)
        left_out += empty
    return Labels(list(videos.values()), list(names.values()), {"empty masks": left_out})


def _get(record: dict, field: str, kinds: type | tuple[type, ...], where: str) -> object:
    value = record.get(field)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise InputError(f"{where}: '{field}' is {str(value)[:40]!r}: correct it.")
    return value


def _video(record: dict, source: Path) -> VideoLabels:
    where = f"{source}, video {_get(record, 'id', (int, str), f'{source}, video')}"
    files = _get(record, "file_names", list, where)
    if not files or not all(isinstance(each, str) for each in files):
        raise InputError(f"{where}: 'file_names' must be the names of its images: correct it.")
    size = tuple(int(number(record.get(side), int, where, side)) for side in ("width", "height"))
    if min(size) <= 0:
        raise InputError(f"{where}: its size is {size[0]} x {size[1]} pixels: correct it.")
    folder = PurePosixPath(files[0]).parent.as_posix()
    name = folder if folder != "." else str(record["id"])
    return VideoLabels(name, where, [], images=tuple(files), size=size)


def _track(
    record: dict, row: int, video: VideoLabels, category: str, where: str
) -> tuple[list[LabelledBox], int]:
    """Boxes of an object, and how many of its masks were empty."""
    length = len(video.images)
    given = record.get("bboxes") or [None] * length
    segments = record.get("segmentations") or [None] * length
    for field, values in (("bboxes", given), ("segmentations", segments)):
        if not isinstance(values, list) or len(values) != length:
            raise InputError(f"{where}: '{field}' must have an entry for each of {length} frames.")
    boxes, empty = [], 0
    for frame, (box, segment) in enumerate(zip(given, segments, strict=True)):
        here = f"{where}, frame {frame}"
        if box is None and segment is not None:
            box = _box_around(segment, video.size, here)
        if box is None:
            continue
        if not isinstance(box, list) or len(box) != 4:
            raise InputError(f"{here}: the box {str(box)[:40]} is not x, y, width, height.")
        bbox = tuple(float(number(each, float, here, "a side of its box")) for each in box)
        if min(bbox[2:]) <= 0:
            empty += 1
            continue
        ignored = record.get("iscrowd", 0) == 1
        boxes.append(LabelledBox(frame, category, bbox, here, track=row, ignored=ignored))
    return boxes, empty


def _box_around(segment: object, size: tuple[int, int], where: str) -> list[float]:
    """Of a run-length encoding, compressed or not, or of polygons."""
    width, height = size
    try:
        if isinstance(segment, dict) and isinstance(segment.get("counts"), list):
            segment = masks.frPyObjects(segment, *segment["size"])
        elif isinstance(segment, list):
            segment = masks.merge(masks.frPyObjects(segment, height, width))
        if tuple(segment["size"]) != (height, width):
            raise ValueError(f"its size is {segment['size']}, not {[height, width]}")
        if isinstance(segment["counts"], str):
            segment["counts"].encode("ascii")
        return [float(each) for each in masks.toBbox(segment)]
    except Exception as error:  # pycocotools raises what it likes
        raise InputError(f"{where}: its mask cannot be decoded ({error}): correct it.") from error
