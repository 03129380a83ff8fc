"""Mechanical repairs of a COCO-VID JSON."""

from __future__ import annotations

import copy
from collections import defaultdict

from .examine import Examination


def repair(content: dict, examination: Examination) -> tuple[dict, list[str]]:
    """Mend what has one possible answer; classes, sizes and repeated image ids are left to people.

    Args:
        content: a COCO-VID JSON with all its lists and fields.
        examination: of the same content.

    Returns:
        a mended copy, and a sentence for each thing that was done.
    """
    mended = copy.deepcopy(content)
    done: list[str] = []
    _drop_images(mended, examination, done)
    _drop_annotations(mended, examination, done)
    _number_frames(mended, done)
    _clip_boxes(mended, done)
    _number_tracks(mended, done)
    _number_annotations(mended, done)
    return mended, done


def _drop_images(content: dict, examination: Examination, done: list[str]) -> None:
    videos = {each["id"] for each in content["videos"]}
    dropped = [
        each
        for row, each in enumerate(content["images"])
        if row in examination.bad_images or each["video_id"] not in videos
    ]
    if not dropped:
        return
    gone = {id(each) for each in dropped}
    content["images"] = [each for each in content["images"] if id(each) not in gone]
    done.append(f"{len(dropped)} images that are missing, unreadable or of unknown videos removed")


def _drop_annotations(content: dict, examination: Examination, done: list[str]) -> None:
    images = {each["id"] for each in content["images"]}
    kept = [
        each
        for row, each in enumerate(content["annotations"])
        if row not in examination.bad_annotations and each["image_id"] in images
    ]
    if len(kept) < len(content["annotations"]):
        count = len(content["annotations"]) - len(kept)
        done.append(f"{count} annotations removed (no box, no area, outside, or of nothing known)")
    content["annotations"] = kept


def _number_frames(content: dict, done: list[str]) -> None:
    frames = defaultdict(list)
    for each in content["images"]:
        frames[each["video_id"]].append(each)
    names = {each["id"]: each.get("file_name") for each in content["videos"]}
    count = 0
    for video, images in frames.items():
        if names.get(video) is not None and any("file_name" not in each for each in images):
            continue  # there the number says which frame of the file it is
        images.sort(key=lambda each: (each["frame_id"], each["id"]))
        for number, each in enumerate(images):
            count += each["frame_id"] != number
            each["frame_id"] = number
    if count:
        done.append(f"{count} frames renumbered, in their order")


def _clip_boxes(content: dict, done: list[str]) -> None:
    images = {each["id"]: each for each in content["images"]}
    count = 0
    for each in content["annotations"]:
        image = images[each["image_id"]]
        x, y, w, h = each["bbox"]
        right, bottom = min(x + w, image["width"]), min(y + h, image["height"])
        left, top = max(x, 0), max(y, 0)
        if (left, top, right, bottom) != (x, y, x + w, y + h):
            each["bbox"] = [left, top, right - left, bottom - top]
            each["area"] = (right - left) * (bottom - top)
            count += 1
    if count:
        done.append(f"{count} boxes clipped to their images")


def _number_tracks(content: dict, done: list[str]) -> None:
    videos = {each["id"]: each["video_id"] for each in content["images"]}
    used = defaultdict(set)
    for each in content["annotations"]:
        if each.get("instance_id", -1) != -1:
            used[each["instance_id"]].add(videos[each["image_id"]])
    if not any(len(each) > 1 for each in used.values()):
        return
    numbers: dict[tuple, int] = {}
    for each in content["annotations"]:
        if each.get("instance_id", -1) != -1:
            track = videos[each["image_id"]], each["instance_id"]
            each["instance_id"] = numbers.setdefault(track, len(numbers) + 1)
    done.append(f"{len(numbers)} tracks renumbered: some ids were used in several videos")


def _number_annotations(content: dict, done: list[str]) -> None:
    ids = {each["id"] for each in content["annotations"]}
    if len(ids) < len(content["annotations"]):
        for number, each in enumerate(content["annotations"], start=1):
            each["id"] = number
        done.append("annotations renumbered: some ids were repeated")
