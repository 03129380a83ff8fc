"""Tracks that change class, jump, or occur twice on a frame."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from itertools import pairwise
from operator import itemgetter

from ....data.datasets.vid_columns import VIDColumns, is_whole_number
from .report import CheckReport

JUMP = 2.0  # diagonals of its box that an object may move from a frame to the next


def check_tracks(columns: VIDColumns, unusable: Collection[int], report: CheckReport) -> None:
    """Check the tracks of the annotations that a training can use."""
    images, sizes = columns.records["images"], columns.sizes
    tracks: dict[tuple, list[tuple[int, dict, float]]] = defaultdict(list)
    videos = defaultdict(set)
    values = columns.values("annotations", "instance_id")
    for row, annotation in enumerate(columns.records["annotations"]):
        track = values[row]
        if not is_whole_number(track) or track == -1 or row in unusable:
            continue
        image_row = columns.image_rows[row]
        image, diagonal = images[image_row], math.hypot(*sizes[image_row])
        tracks[image["video_id"], track].append((image["frame_id"], annotation, diagonal))
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
        for (frame, before, diagonal), (following, after, _) in pairwise(boxes):
            if frame == following:
                report.add("tracks twice on a frame", f"{where}, frame {frame}")
            elif _jumps(before["bbox"], after["bbox"], following - frame, diagonal):
                boxes_of_both = f"{before['bbox']}, {after['bbox']}"
                offender = f"{where}, frame {frame} to {following}: {boxes_of_both}"
                report.add("tracks that jump", offender)


def _jumps(before: list, after: list, frames: int, diagonal: float) -> bool:
    """Whether a box moves further in a frame than its size and a share of the image explain."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = map(float, before), map(float, after)
    moved = math.hypot(x1 + w1 / 2 - x2 - w2 / 2, y1 + h1 / 2 - y2 - h2 / 2) / frames
    size = (math.hypot(w1, h1) + math.hypot(w2, h2)) / 2
    return moved > max(JUMP * size, 0.05 * diagonal)
