"""Reader of CVAT's XML: "CVAT for video 1.1" and "CVAT for images 1.1"."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from ....data.datasets.folders import walk_files
from ....data.datasets.numbered_frames import is_hidden
from ....errors import InputError
from .archives import is_archive
from .cvat_images import read_images
from .cvat_shapes import Shape, read_shape, shapes_of
from .cvat_tasks import PICTURES, Task, describe, read_labels, read_tasks
from .labels import LabelledBox, Labels, VideoLabels, parse_xml, whole_number


def read_cvat(source: Path) -> Labels:
    """Read the exports "CVAT for video 1.1" and "CVAT for images 1.1".

    A frame is found by its number, with which the task's first frame and its step count, or by the
    name of its image. Between the given boxes of a track they are interpolated as CVAT does. The
    boxes are those around the shapes as they are drawn: rotated rectangles, ellipses, polygons and
    masks; other shapes are left out and counted. A video is named after the video file that the
    task was made from, after the task, or, with a job, after the XML file or its folder.

    Args:
        source: an XML file of tasks, jobs or a project, or a folder of XML files, as the archives
            have it when they are unpacked.
    """
    left_out: Counter[str] = Counter()
    files = _files(source, left_out) if source.is_dir() else [source]
    videos: list[VideoLabels] = []
    classes: list[str] = []
    in_folders = Counter(path.parent for path in files)
    for path in files:
        tree = parse_xml(path, "export it again")
        # archives call the file annotations.xml and have their images beside it
        export = path.parent.resolve().name if path.stem == "annotations" else path.stem
        folder = path.parent.relative_to(source) if source.is_dir() else Path()
        folders = [(folder / PICTURES).as_posix()] if in_folders[path.parent] == 1 else []
        tasks = read_tasks(tree, str(path), export, [*folders, *(["."] if len(files) == 1 else [])])
        classes.extend(read_labels(tree))
        if tree.find("image") is not None and tree.find("track") is not None:
            raise InputError(
                f"{path} has images and tracks: export the task either as 'CVAT for images' or as "
                "'CVAT for video'."
            )
        read = read_images if tree.find("image") is not None else _read_tracks
        videos.extend(read(tree, path, tasks, left_out))
    return Labels(videos, list(dict.fromkeys(classes)) or None, left_out)


def _files(source: Path, left_out: Counter[str]) -> list[Path]:
    """XML files below a folder; hidden ones and archives are left out."""
    below = [path.relative_to(source) for path in sorted(walk_files(source))]
    found = [path for path in below if path.suffix.lower() == ".xml"]
    archives = sum(is_archive(path) for path in below)
    files = [source / path for path in found if not is_hidden(path)]
    if not files:
        remedy = "unpack its archives" if archives else "export the task as 'CVAT for video 1.1'"
        raise InputError(f"{source} has no XML files: {remedy}.")
    left_out["archives in the folder of XML files"] += archives
    left_out["hidden XML files"] += len(found) - len(files)
    return files


def _read_tracks(
    tree: ElementTree.Element,
    path: Path,
    tasks: list[Task],
    left_out: Counter[str],
) -> Iterator[VideoLabels]:
    """Videos of an XML file that has tracks."""
    boxes: dict[str | None, list[LabelledBox]] = {task.id: [] for task in tasks}
    by_id = {task.id: task for task in tasks}
    if len(by_id) < len(tasks):
        raise InputError(f"{path} has two tasks with the same <id>: export it again.")
    for node in tree.iter("track"):
        where = f"{path}, track {node.get('id')}"
        task = tasks[0] if len(tasks) == 1 else by_id.get(node.get("task_id"))
        if task is None:
            raise InputError(
                f"{where}: task_id '{node.get('task_id')}' is not one of the project's tasks: "
                "export it again."
            )
        boxes[task.id].extend(_track(node, task, where, left_out))
    for task in tasks:
        yield VideoLabels(
            *(task.name, str(path), boxes[task.id]),
            folders=task.folders,
            shared_folders=task.shared_folders,
            shared_number=task.first,
            frames=task.frames,
            is_part=task.is_part,
            is_sorted_by_name=not task.is_video,
            size=task.size,
            labelled_frames=frozenset(task.frames) if task.is_part else None,
        )


def _track(
    node: ElementTree.Element, task: Task, where: str, left_out: Counter[str]
) -> Iterator[LabelledBox]:
    """Boxes of a track, interpolated."""
    label, track = (node.get("label") or "").strip(), node.get("id")
    if not label:
        raise InputError(f"{where} has no label: correct it.")
    keys: dict[int, tuple[Shape, bool, bool]] = {}  # shape, outside, occluded
    for child in shapes_of(node, left_out):
        frame = whole_number(child.get("frame"), where, "a frame") - task.first
        here = f"{where}, frame {frame}"
        key = read_shape(child, here), child.get("outside") == "1", child.get("occluded") == "1"
        if not key[1] and frame not in task.frames:
            raise InputError(
                f"{where}: frame {frame} is not one of the task's, {describe(task.frames)}: "
                "correct it."
            )
        if frame in keys and not _equal(keys[frame], key):
            raise InputError(f"{where}: frame {frame} occurs twice, with two boxes: remove one.")
        keys[frame] = key
    order = sorted(keys)
    for frame, until in zip_longest(order, order[1:]):
        shape, outside, occluded = keys[frame]
        if outside:
            continue
        for between, moved in _between(frame, shape, until, keys, task, where):
            yield LabelledBox(
                *(between, label, moved.box(), f"{where}, frame {between}"),
                track=track,
                occluded=occluded,
                interpolated=between != frame,
            )


def _between(
    frame: int,
    shape: Shape,
    until: int | None,
    keys: dict[int, tuple[Shape, bool, bool]],
    task: Task,
    where: str,
) -> Iterable[tuple[int, Shape]]:
    """A shape and those before the next one."""
    yield frame, shape
    if until is None:
        return
    step = task.frames.step
    goal, is_gone, _ = keys[until]
    if frame + step < until and not is_gone and not shape.can_become(goal):
        raise InputError(
            f"{where}: between frames {frame} and {until} the {shape.kind} becomes another one "
            f"({goal.kind}) in a way that only CVAT knows: export all frames."
        )
    for between in range(frame + step, until, step):
        if between in task.frames:
            share = (between - frame) / (until - frame)
            yield between, shape if is_gone else shape.towards(goal, share)


def _equal(first: tuple[Shape, bool, bool], second: tuple[Shape, bool, bool]) -> bool:
    return first[1:] == second[1:] and first[0].box() == second[0].box()
