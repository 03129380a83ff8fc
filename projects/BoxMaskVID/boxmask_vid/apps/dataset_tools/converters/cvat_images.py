"""Images of "CVAT for images 1.1": boxes on the pictures that it names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ....data.datasets.numbered_frames import check_doubles, split_clips
from ....errors import InputError
from .cvat_shapes import read_shape, shapes_of
from .cvat_tasks import Task, describe
from .labels import LabelledBox, VideoLabels, whole_number
from .stated_names import stem_of

FRAME = re.compile(r"frame_([0-9]{6,9})")  # as CVAT names frames of video files

Images = dict[str, ElementTree.Element]  # by their names


def read_images(
    tree: ElementTree.Element,
    path: Path,
    tasks: list[Task],
    left_out: Counter[str],
) -> Iterator[VideoLabels]:
    """Read the images of an XML file; ``left_out`` counts what is left out."""
    of_tasks: dict[str | None, Images] = defaultdict(dict)
    by_id = {task.id: task for task in tasks}
    for node in tree.iter("image"):
        name = (node.get("name") or "").replace("\\", "/")
        task_id = tasks[0].id if len(tasks) == 1 else node.get("task_id")
        if task_id not in by_id:
            raise InputError(
                f"{path}, image {name}: task_id '{task_id}' is not one of the project's tasks: "
                "export it again."
            )
        if not name or name in of_tasks[task_id]:
            problem = f"image {name} occurs twice" if name else "an image has no name"
            raise InputError(f"{path}: {problem}: export it again.")
        of_tasks[task_id][name] = node
    for task_id, images in of_tasks.items():
        task = by_id[task_id]
        if task.is_video and all(FRAME.fullmatch(PurePosixPath(name).name) for name in images):
            yield _frames_of_video(task, images, path, left_out)
        else:
            clips = split_clips(list(images))
            for clip in clips:
                of_clip = {name: images[name] for name in clip.files}
                is_named = len(clips) > 1 or "/" in clip.files[0]
                name = clip.name if is_named else task.name
                yield _clip(name, task, of_clip, path, left_out)


def _frames_of_video(task: Task, images: Images, path: Path, left_out: Counter[str]) -> VideoLabels:
    """Images that are called frame_000000 for the numbers of their frames."""
    called: dict[str, int | str] = {}
    names: dict[int, str] = {}  # by the numbers of their frames
    for name in images:
        frame = int(PurePosixPath(name).name.rpartition("_")[2]) - task.first
        if frame not in task.frames:
            raise InputError(
                f"{path}: image {name} is not one of the task's frames, {describe(task.frames)}: "
                "export it again."
            )
        other = names.setdefault(frame, name)
        if other != name:
            raise InputError(f"{path}: {other} and {name} are one frame: export it again.")
        called[name] = frame
    return VideoLabels(
        *(task.name, str(path), list(_boxes(images, called, path, left_out))),
        folders=task.folders,
        shared_folders=task.shared_folders,
        shared_number=task.first,
        frames=task.frames,
        is_part=task.is_part,
        size=task.size,
        sizes=_sizes(images, called, path),
        labelled_frames=frozenset(called.values()),
        lists_frames=True,
    )


def _clip(
    video: str, task: Task, images: Images, path: Path, left_out: Counter[str]
) -> VideoLabels:
    """Images of a clip, in whatever folder has them."""
    check_doubles(images, str(path))
    called: dict[str, int | str] = {name: stem_of(name) for name in images}
    folder = PurePosixPath(next(iter(images))).parent.as_posix()
    folders: Sequence[str] = (*task.folders, *task.shared_folders, ".")
    if folder != ".":
        folders = [folder, *(f"{base}/{folder}" for base in folders)]
    return VideoLabels(
        *(video, str(path), list(_boxes(images, called, path, left_out))),
        folders=tuple(folders),
        shares_folders=True,
        sizes=_sizes(images, called, path),
        labelled_frames=frozenset(called.values()),
    )


def _sizes(
    images: Images, called: dict[str, int | str], path: Path
) -> dict[int | str, tuple[int, int]]:
    sizes = {}
    for name, node in images.items():
        if node.get("width") is not None or node.get("height") is not None:
            width, height = (
                whole_number(node.get(side), f"{path}, image {name}", side)
                for side in ("width", "height")
            )
            sizes[called[name]] = width, height
    return sizes


def _boxes(
    images: Images, called: dict[str, int | str], path: Path, left_out: Counter[str]
) -> Iterator[LabelledBox]:
    for name, image in images.items():
        for index, node in enumerate(shapes_of(image, left_out), start=1):
            where = f"{path}, image {name}, {node.tag} {index}"
            label = (node.get("label") or "").strip()
            if not label:
                raise InputError(f"{where} has no label: correct it.")
            shape = read_shape(node, where)
            occluded = node.get("occluded") == "1"
            yield LabelledBox(called[name], label, shape.box(), where, occluded=occluded)
