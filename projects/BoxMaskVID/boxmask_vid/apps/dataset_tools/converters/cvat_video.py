"""Reader of CVAT's XML, "CVAT for video 1.1"."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, number, parse_xml

LONGEST_VIDEO = 1_000_000  # frames; a larger number is a mistake
OTHER_SHAPES = ("polygon", "polyline", "points", "mask")
CORNERS = ("xtl", "ytl", "xbr", "ybr")
NOT_BOXES = "shapes that are not boxes"


def read_cvat_video(source: Path) -> Labels:
    """Read the boxes of tracks; between the given boxes they are interpolated as CVAT does.

    The video is named after the video file that the task was made from, or after the task.

    Args:
        source: an XML file, or a folder of XML files.
    """
    files = sorted(source.rglob("*.xml")) if source.is_dir() else [source]
    if not files:
        raise InputError(f"{source} has no XML files: export the task as 'CVAT for video 1.1'.")
    left_out: dict[str, int] = {}
    read = [_read(path, left_out) for path in files]
    classes = list(dict.fromkeys(name for _, names in read for name in names))
    return Labels([video for video, _ in read], classes or None, left_out)


def _read(path: Path, left_out: dict[str, int]) -> tuple[VideoLabels, list[str]]:
    tree = parse_xml(path, "export it again")
    task_size = _first(tree, "meta/task/size", "meta/job/size", "meta/size")
    if tree.tag != "annotations" or task_size is None:
        raise InputError(
            f"{path} is not CVAT's XML for video (no <annotations> with the <size> of a task): "
            "export the task as 'CVAT for video 1.1'."
        )
    length = number(task_size, int, str(path), "the size of the task")
    if not 0 < length <= LONGEST_VIDEO:
        raise InputError(f"{path}: the task has {length} frames: correct <size>.")
    boxes: list[LabelledBox] = []
    for track in tree.iter("track"):
        boxes.extend(_track(track, path, length))
        if others := sum(shape.tag in OTHER_SHAPES for shape in track):
            left_out[NOT_BOXES] = left_out.get(NOT_BOXES, 0) + others
    video_file = _first(tree, "meta/task/source", "meta/source", "meta/job/source")
    name = Path(video_file).stem if video_file else _first(tree, "meta/task/name") or path.stem
    sides = [_first(tree, f"meta/task/original_size/{side}") for side in ("width", "height")]
    size = None
    if None not in sides:
        width, height = (number(side, int, str(path), "the original size") for side in sides)
        size = width, height
    names = [label.findtext("name") for label in tree.iter("label")]
    video = VideoLabels(name, str(path), boxes, size=size)
    return video, [name for name in names if name is not None]


def _first(tree: ElementTree.Element, *paths: str) -> str | None:
    texts = (tree.findtext(path) for path in paths)
    return next((text.strip() for text in texts if text and text.strip()), None)


def _track(node: ElementTree.Element, path: Path, length: int) -> Iterator[LabelledBox]:
    track, label = node.get("id"), node.get("label")
    where = f"{path}, track {track}"
    if label is None:
        raise InputError(f"{where} has no label: correct it.")
    shapes: dict[int, tuple[np.ndarray, bool, bool]] = {}
    for box in node.iter("box"):
        frame = number(box.get("frame"), int, where, "a frame")
        if not 0 <= frame < length or frame in shapes:
            problem = "occurs twice" if frame in shapes else f"is not one of 0 to {length - 1}"
            raise InputError(f"{where}: frame {frame} {problem}: correct it.")
        here = f"{where}, frame {frame}"
        corners = np.array([number(box.get(key), float, here, key) for key in CORNERS])
        shapes[frame] = (corners, box.get("outside") == "1", box.get("occluded") == "1")
    frames = sorted(shapes)
    for frame, until in zip_longest(frames, frames[1:], fillvalue=frames[-1] + 1 if frames else 0):
        corners, outside, occluded = shapes[frame]
        if outside:
            continue
        goal, is_gone, _ = shapes.get(until, (corners, False, False))
        goal = corners if is_gone else goal
        for between in range(frame, until):
            x1, y1, x2, y2 = corners + (goal - corners) * (between - frame) / (until - frame)
            yield LabelledBox(
                *(between, label, (x1, y1, x2 - x1, y2 - y1), f"{where}, frame {between}"),
                track=track,
                occluded=occluded,
            )
