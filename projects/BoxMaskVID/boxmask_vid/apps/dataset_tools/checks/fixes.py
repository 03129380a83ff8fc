"""Fixes of a COCO-VID JSON that have one possible answer."""

from __future__ import annotations

import copy
from collections import defaultdict
from operator import itemgetter

from .report import CheckReport


def fix_content(content: dict, report: CheckReport) -> tuple[dict, list[str]]:
    """Fix faults with one possible answer; classes, sizes and repeated image ids stay.

    Args:
        content: a COCO-VID JSON with all its lists and fields.
        report: of the same content.

    Returns:
        a fixed copy, and a sentence for each thing that was done.
    """
    fixed = copy.deepcopy(content)
    done: list[str] = []
    _drop_images(fixed, report, done)
    _drop_annotations(fixed, report, done)
    _number_frames(fixed, done)
    _clip_boxes(fixed, done)
    _number_tracks(fixed, done)
    _number_annotations(fixed, done)
    return fixed, done


def _drop_images(content: dict, report: CheckReport, done: list[str]) -> None:
    videos = {video["id"] for video in content["videos"]}
    kept = [
        image
        for row, image in enumerate(content["images"])
        if row not in report.bad_images and image["video_id"] in videos
    ]
    if count := len(content["images"]) - len(kept):
        done.append(f"{count} images that are missing, unreadable or of unknown videos removed")
    content["images"] = kept


def _drop_annotations(content: dict, report: CheckReport, done: list[str]) -> None:
    images = {image["id"] for image in content["images"]}
    kept = [
        annotation
        for row, annotation in enumerate(content["annotations"])
        if row not in report.bad_annotations and annotation["image_id"] in images
    ]
    if count := len(content["annotations"]) - len(kept):
        done.append(f"{count} annotations removed (no box, no area, outside, or of nothing known)")
    content["annotations"] = kept


def _number_frames(content: dict, done: list[str]) -> None:
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
    if count:
        done.append(f"{count} frames renumbered, in their order")


def _clip_boxes(content: dict, done: list[str]) -> None:
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
    if count:
        done.append(f"{count} boxes clipped to their images")


def _number_tracks(content: dict, done: list[str]) -> None:
    videos = {image["id"]: image["video_id"] for image in content["images"]}
    tracked = [item for item in content["annotations"] if item.get("instance_id", -1) != -1]
    used = defaultdict(set)
    for annotation in tracked:
        used[annotation["instance_id"]].add(videos[annotation["image_id"]])
    if not any(len(of_track) > 1 for of_track in used.values()):
        return
    numbers: dict[tuple, int] = {}
    for annotation in tracked:
        track = videos[annotation["image_id"]], annotation["instance_id"]
        annotation["instance_id"] = numbers.setdefault(track, len(numbers) + 1)
    done.append(f"{len(numbers)} tracks renumbered: some ids were used in several videos")


def _number_annotations(content: dict, done: list[str]) -> None:
    ids = {annotation["id"] for annotation in content["annotations"]}
    if len(ids) < len(content["annotations"]):
        for number, annotation in enumerate(content["annotations"], start=1):
            annotation["id"] = number
        done.append("annotations renumbered: some ids were repeated")
