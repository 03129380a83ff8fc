"""CVAT's XML, "CVAT for video 1.1"."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, number, read_text

LONGEST_VIDEO = 1_000_000  # frames; a number beyond that is a mistake


def read_cvat_video(source: Path) -> Labels:
    """Boxes of tracks; where a track's boxes leave frames out, they are interpolated as CVAT does.

    The video is named after the video file that the task was made from, else after the task.

    Args:
        source: an XML file, or a folder of them.

    Raises:
        FileNotFoundError: if there is nothing.
        InputError: if a file is not what it should be.
    """
    if source.is_dir():
        files = sorted(source.rglob("*.xml"))
        if not files:
            raise InputError(f"{source} has no XML files: export the task as 'CVAT for video 1.1'.")
    else:
        files = [source]
    left_out: dict[str, int] = {}
    read = [_read(path, left_out) for path in files]
    classes = list(dict.fromkeys(name for _, names in read for name in names))
    return Labels([video for video, _ in read], classes or None, left_out)


def _read(path: Path, left_out: dict[str, int]) -> tuple[VideoLabels, list[str]]:
    try:
        tree = ElementTree.fromstring(read_text(path))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not XML ({error}): export it again.") from error
    length = _first(tree, "meta/task/size", "meta/job/size", "meta/size")
    if tree.tag != "annotations" or length is None:
        raise InputError(
            f"{path} is not CVAT's XML for video (no <annotations> with the <size> of a task): "
            "export the task as 'CVAT for video 1.1'."
        )
    length = int(number(length, int, str(path), "the size of the task"))
    if not 0 < length <= LONGEST_VIDEO:
        raise InputError(f"{path}: the task has {length} frames: correct <size>.")
    boxes = []
    for track in tree.iter("track"):
        boxes.extend(_track(track, path, length))
        others = sum(1 for each in track if each.tag in ("polygon", "polyline", "points", "mask"))
        if others:
            left_out["shapes that are no boxes"] = (
                left_out.get("shapes that are no boxes", 0) + others
            )
    video_file = _first(tree, "meta/task/source", "meta/source", "meta/job/source")
    name = Path(video_file).stem if video_file else _first(tree, "meta/task/name") or path.stem
    sides = [_first(tree, f"meta/task/original_size/{side}") for side in ("width", "height")]
    size = None
    if None not in sides:
        size = tuple(int(number(side, int, str(path), "the original size")) for side in sides)
    names = [
        each.findtext("name") for each in tree.iter("label") if each.findtext("name") is not None
    ]
    return VideoLabels(name, str(path), boxes, size=size), names


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
        frame = int(number(box.get("frame"), int, where, "a frame"))
        if not 0 <= frame < length or frame in shapes:
            problem = "comes twice" if frame in shapes else f"is none of 0 to {length - 1}"
            raise InputError(f"{where}: frame {frame} {problem}: correct it.")
        here = f"{where}, frame {frame}"
        corners = [number(box.get(k), float, here, k) for k in ("xtl", "ytl", "xbr", "ybr")]
        flags = (box.get("outside") == "1", box.get("occluded") == "1")
        shapes[frame] = (np.array(corners), *flags)
    frames = sorted(shapes)
    for frame, following in zip_longest(frames, frames[1:]):
        corners, outside, occluded = shapes[frame]
        if outside:
            continue
        until = frame + 1 if following is None else following
        goal = corners if following is None or shapes[following][1] else shapes[following][0]
        for between in range(frame, until):
            x1, y1, x2, y2 = corners + (goal - corners) * (between - frame) / (until - frame)
            yield LabelledBox(
                *(between, label, (x1, y1, x2 - x1, y2 - y1), f"{where}, frame {between}"),
                track=track,
                occluded=occluded,
            )
