"""What CVAT's XML says of its tasks: names, numbers of frames, sizes and labels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath, PureWindowsPath

from ....errors import InputError
from ....video.image_files import VIDEO_SUFFIXES
from .labels import whole_number

PICTURES = "images"  # folder in CVAT's archives
DEFAULT_SUBSET = "default"
LONGEST_VIDEO = 1_000_000  # frames; a larger number is a mistake


@dataclass(frozen=True)
class Task:
    """A task, or a job, which is a part of one."""

    id: str | None  # as tracks of a project name it
    name: str
    folders: tuple[str, ...]  # where its images may be
    shared_folders: tuple[str, ...]  # where they may be with those of other tasks
    frames: range  # numbers of its frames in the video
    is_part: bool  # the video may have more frames
    is_video: bool  # made from a video file, not from images
    first: int  # what the project adds to the numbers of its frames
    size: tuple[int, int] | None  # width and height of the frames, if they are given


def read_labels(tree: ElementTree.Element) -> list[str]:
    """Names of the labels; those of a skeleton's points are none."""
    found = [label for labels in tree.iter("labels") for label in labels if label.tag == "label"]
    names = [
        (label.findtext("name") or "").strip() for label in found if not _text(label, "parent")
    ]
    return list(dict.fromkeys(name for name in names if name))


def describe(frames: range) -> str:
    """Numbers of frames in words."""
    steps = f" in steps of {frames.step}" if frames.step > 1 else ""
    return f"{frames[0]} to {frames[-1]}{steps}"


def read_tasks(
    tree: ElementTree.Element, where: str, export: str, folders: Sequence[str]
) -> list[Task]:
    """Read the tasks of a project, or the task or job that was exported.

    Args:
        tree: the root of the XML.
        where: its file, for messages.
        export: name of the file or its folder, for a job, which has none.
        folders: where the images of CVAT's archive may be.
    """
    meta, images = tree.find("meta"), len(tree.findall("image"))
    if meta is None and images:
        meta = ElementTree.Element("meta")
    project = None if meta is None else meta.find("project")
    if meta is None or tree.tag != "annotations":
        raise InputError(
            f"{where} is not CVAT's XML (no <annotations> with <meta>): export the task as 'CVAT "
            "for video 1.1'."
        )
    nodes = [*meta.iter("task")] if project is not None else [meta.find("task"), meta.find("job")]
    found = [node for node in nodes if node is not None] or [meta]
    sources = Counter(_text(node, "source") for node in found)
    tasks: list[Task] = []
    first, subset = 0, None
    for node in found:
        if project is not None and _text(node, "subset") != subset:
            first, subset = 0, _text(node, "subset")
        # tasks of one video file are called by their own names
        is_alone = sources[_text(node, "source")] == 1
        one = "" if project is not None else export
        task = _task(node, meta, where, one, first, images, use_source=is_alone)
        places = [place for base in folders for place in _archive(base, subset)]
        if len(found) > 1:
            task = replace(task, shared_folders=tuple(places))
        else:
            task = replace(task, folders=(*task.folders, *places))
        tasks.append(task)
        first += task.frames[0] + task.frames.step * len(task.frames)
    return tasks


def _task(
    node: ElementTree.Element,
    meta: ElementTree.Element,
    where: str,
    export: str,
    first: int,
    images: int,
    *,
    use_source: bool,
) -> Task:
    name, id_ = _text(node, "name"), _text(node, "id")
    here = where if export else f"{where}, task {name or id_}"
    source = _text(node, "source") or (_text(meta, "source") if export else None)
    # Windows paths have both kinds of slashes
    stem = PureWindowsPath(source).stem if source and use_source else None
    sides = [
        _text(node, f"original_size/{side}") or _text(meta, f"original_size/{side}")
        for side in ("width", "height")
    ]
    size = None
    if sides[0] is not None or sides[1] is not None:
        width, height = (whole_number(side, here, "the original size") for side in sides)
        size = width, height
    names = tuple(dict.fromkeys(filter(None, (stem, name, export))))
    if not names:
        raise InputError(f"{here} has a task without name: add its <name>.")
    frames = _frames(node, here, images)
    return Task(
        id=id_,
        name=names[0],
        folders=tuple(
            place for name in names for place in (name, f"{name}/{PICTURES}", f"{PICTURES}/{name}")
        ),
        shared_folders=(),
        frames=frames,
        is_part=node.tag == "job" or frames[0] > 0 or frames.step > 1,
        is_video=size is not None or PureWindowsPath(source or "").suffix.lower() in VIDEO_SUFFIXES,
        first=first,
        size=size,
    )


def _archive(folder: str, subset: str | None) -> list[str]:
    """Folders of images in an archive: those of subsets, and the one above them."""
    if PurePosixPath(folder).name != PICTURES:
        return [folder]
    names = dict.fromkeys((subset or DEFAULT_SUBSET, DEFAULT_SUBSET))
    return [*(f"{folder}/{name}" for name in names), folder]


def _frames(node: ElementTree.Element, where: str, images: int) -> range:
    """Numbers of the frames of a task; those of images need no total."""
    text = _text(node, "size") or (str(images) if images else None)
    if text is None:
        raise InputError(
            f"{where} does not say how many frames it has (<size>): export the task as 'CVAT for "
            "video 1.1'."
        )
    size = whole_number(text, where, "the size of the task")
    rule = _text(node, "frame_filter") or "step=1"
    found = re.fullmatch(r"step\s*=\s*([0-9]{1,6})", rule)
    step = int(found[1]) if found else 0
    if step < 1:
        raise InputError(f"{where}: frame_filter '{rule[:40]}' is not 'step=NUMBER': correct it.")
    start = whole_number(_text(node, "start_frame") or "0", where, "start_frame")
    last = start + step * (size - 1)
    stop = whole_number(_text(node, "stop_frame") or str(last), where, "stop_frame")
    if not (0 < size <= LONGEST_VIDEO and 0 <= start <= stop <= step * LONGEST_VIDEO):
        raise InputError(
            f"{where}: the task has {size} frames, from {start} to {stop}: correct <size>, "
            "<start_frame> and <stop_frame>."
        )
    frames = range(start, stop + 1, step)
    # a job may have some frames of its range only
    if size > len(frames) or (size < len(frames) and node.tag != "job"):
        raise InputError(
            f"{where}: <size> is {size}, but there are {len(frames)} frames from {start} to {stop} "
            f"in steps of {step}: export it again."
        )
    return frames


def _text(node: ElementTree.Element, path: str) -> str | None:
    text = (node.findtext(path) or "").strip()
    return text or None
