"""Fixes of a COCO-VID JSON that have one possible answer."""

from __future__ import annotations

import copy
from collections import defaultdict
from operator import itemgetter

from .report import CheckReport


def fix_content(content: dict, report: CheckReport) -> tuple[dict, list[str]]:
    """Fix faults with one possible answer; classes, sizes and repeated image ids stay.

    The content has all its lists and fields. The results are a fixed copy, and a sentence for each
    thing that was done.
    """
    fixed = copy.deepcopy(content)
    counts = {
        "{} images that are missing, unreadable or of unknown videos removed": _drop(
            fixed, "images", report.bad_images, "video_id", "videos"
        ),
        "{} annotations removed (no box, no area, outside, or of nothing known)": _drop(
            fixed, "annotations", report.bad_annotations, "image_id", "images"
        ),
        "{} frames renumbered, in their order": _number_frames(fixed),
        "{} boxes clipped to their images": _clip_boxes(fixed),
        "{} tracks renumbered: some ids were used in several videos": _number_tracks(fixed),
        "annotations renumbered: some ids were repeated": _number_annotations(fixed),
    }
    return fixed, [sentence.format(count) for sentence, count in counts.items() if count]


def _drop(content: dict, section: str, bad: set[int], field: str, others: str) -> int:
    known = {record["id"] for record in content[others]}
    records = content[section]
    content[section] = [
        record for row, record in enumerate(records) if row not in bad and record[field] in known
    ]
    return len(records) - len(content[section])


def _number_frames(content: dict) -> int:
    frames = defaultdict(list)
    for image in content["images"]:
        frames[image["video_id"]].append(image)
    names = {video["id"]: video.get("file_name") for video in content["videos"]}
    count = 0
    for video, images in frames.items():
        if names.get(video) is not None and any("file_name" not in image for image in images):
            continue  # there the number says which frame of the file it is
        images.sort(key=itemgetter("frame_id", "id"))
        for number, image in enumerate(images):
            count += image["frame_id"] != number
            image["frame_id"] = number
    return count


def _clip_boxes(content: dict) -> int:
    images = {image["id"]: image for image in content["images"]}
    count = 0
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        x, y, w, h = annotation["bbox"]
        right, bottom = min(x + w, image["width"]), min(y + h, image["height"])
        left, top = max(x, 0), max(y, 0)
        if (left, top, right, bottom) != (x, y, x + w, y + h):
            annotation["bbox"] = [left, top, right - left, bottom - top]
            annotation["area"] = (right - left) * (bottom - top)
            count += 1
    return count


def _number_tracks(content: dict) -> int:
    videos = {image["id"]: image["video_id"] for image in content["images"]}
    tracked = [item for item in content["annotations"] if item.get("instance_id", -1) != -1]
    tracks = [(videos[item["image_id"]], item["instance_id"]) for item in tracked]
    numbers = {track: number for number, track in enumerate(dict.fromkeys(tracks), start=1)}
    if len({name for _, name in numbers}) == len(numbers):
        return 0
    for annotation, track in zip(tracked, tracks, strict=True):
        annotation["instance_id"] = numbers[track]
    return len(numbers)


def _number_annotations(content: dict) -> int:
    annotations = content["annotations"]
    if len({annotation["id"] for annotation in annotations}) == len(annotations):
        return 0
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return len(annotations)
