"""Reader of YOLO text files, a folder per video."""

from __future__ import annotations

from pathlib import Path

import yaml

from ....errors import InputError
from .labels import LabelledBox, Labels, number, read_folder, read_lines, read_text, subfolders


def read_yolo(source: Path) -> Labels:
    """Read lines ``class x_centre y_centre width height [track]``, relative to the image.

    Args:
        source: folder with ``<video>/<image>.txt`` and the names of the classes: ``classes.txt`` or
            ``obj.names``, one per line, or ``data.yaml`` with ``names``.
    """
    folders = subfolders(source, "*.txt")
    classes = _classes(source)

    def boxes(path: Path) -> list[LabelledBox]:
        return [_box(line, path.stem, where, classes) for where, line in read_lines(path)]

    names = [folder.relative_to(source).as_posix() for folder in folders]
    videos = [
        read_folder(name, folder, "*.txt", boxes, drawn_on=(1.0, 1.0))
        for name, folder in zip(names, folders, strict=True)
    ]
    return Labels(videos, classes)


def _classes(source: Path) -> list[str]:
    for name in ("classes.txt", "obj.names"):
        if (source / name).is_file():
            return [line.strip() for _, line in read_lines(source / name)]
    path = source / "data.yaml"
    if not path.is_file():
        raise InputError(
            f"{source} does not name its classes: add classes.txt, one name per line, or data.yaml."
        )
    try:
        names = yaml.safe_load(read_text(path))["names"]
        return [str(names[index]) for index in range(len(names))]
    except (yaml.YAMLError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path} has no list 'names' of the classes ({error!r}): add it."
        ) from error


def _box(line: str, frame: str, where: str, classes: list[str]) -> LabelledBox:
    fields = line.split()
    if len(fields) not in (5, 6):
        raise InputError(
            f"{where}: '{line[:60]}' is not 'class x_centre y_centre width height [track]': "
            "correct it."
        )
    index = number(fields[0], int, where, "the class")
    if not 0 <= index < len(classes):
        raise InputError(f"{where}: class {index} is not one of the {len(classes)}: correct it.")
    x, y, w, h = (number(field, float, where, "a side of the box") for field in fields[1:5])
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 <= w <= 1 and 0 <= h <= 1):
        raise InputError(
            f"{where}: '{line[:60]}' has numbers outside 0 .. 1: they must be relative to the "
            "image."
        )
    track = number(fields[5], int, where, "the track") if len(fields) == 6 else None
    return LabelledBox(frame, classes[index], (x - w / 2, y - h / 2, w, h), where, track=track)
