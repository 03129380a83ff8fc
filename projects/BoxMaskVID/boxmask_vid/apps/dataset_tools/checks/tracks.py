"""Tracks that change class, jump, or occur twice on a frame."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from operator import itemgetter

from .report import CheckReport

JUMP = 2.0  # diagonals of its box that an object may move from a frame to the next


def check_tracks(records: dict[str, list[dict]], report: CheckReport) -> None:
    """Check the tracks of the annotations that a training can use."""
    images = {image["id"]: image for image in records["images"]}
    tracks: dict[tuple, list[tuple[int, dict, dict]]] = defaultdict(list)
    videos = defaultdict(set)
    for row, annotation in enumerate(records["annotations"]):
        track = annotation.get("instance_id", -1)
        if track == -1 or row in report.bad_annotations or not isinstance(track, (int, str)):
            continue
        image = images[annotation["image_id"]]
        tracks[image["video_id"], track].append((image["frame_id"], annotation, image))
        videos[track].add(image["video_id"])
    for track, used in videos.items():
        if len(used) > 1:
            shown = ", ".join(map(str, sorted(used)[:4]))
            report.add("track ids used in several videos", f"track {track}: videos {shown}")
    for (video, track), boxes in tracks.items():
        boxes.sort(key=itemgetter(0))
        where = f"video {video}, track {track}"
        classes = list(dict.fromkeys(annotation["category_id"] for _, annotation, _ in boxes))
        if len(classes) > 1:
            shown = " and ".join(map(str, classes[:3]))
            report.add("tracks that change class", f"{where}: categories {shown}")
        for (frame, before, image), (following, after, _) in pairwise(boxes):
            if frame == following:
                report.add("tracks twice on a frame", f"{where}, frame {frame}")
            elif _jumps(before["bbox"], after["bbox"], following - frame, image):
                boxes_of_both = f"{before['bbox']}, {after['bbox']}"
                offender = f"{where}, frame {frame} to {following}: {boxes_of_both}"
                report.add("tracks that jump", offender)


def _jumps(before: list, after: list, frames: int, image: dict) -> bool:
    """Whether a box moves further in a frame than its size and a share of the image explain."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = before, after
    moved = math.hypot(x1 + w1 / 2 - x2 - w2 / 2, y1 + h1 / 2 - y2 - h2 / 2) / frames
    size = (math.hypot(w1, h1) + math.hypot(w2, h2)) / 2
    return moved > max(JUMP * size, 0.05 * math.hypot(image["width"], image["height"]))
