"""MOTChallenge sequences: ``gt/gt.txt`` and ``seqinfo.ini``."""

from __future__ import annotations

import configparser
from pathlib import Path

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, number, read_text

# of MOT16, MOT17 and MOT20, numbered from 1
CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_motorized_vehicle"),
    *("static_person", "distractor", "occluder", "occluder_on_ground", "occluder_full"),
    *("reflection", "crowd"),
)
# People who are not to be found and not to be punished either, as the MOTChallenge scores them.
IGNORED_PEOPLE = {"person_on_vehicle", "static_person", "distractor", "reflection", "crowd"}


def read_mot_challenge(source: Path) -> Labels:
    """Rows ``frame, id, x, y, width, height, flag, class, visibility``, frames and pixels from 1.

    Rows with flag 1 are objects of their class. Of those with flag 0, people of the classes
    :data:`IGNORED_PEOPLE` become ignore regions of pedestrians, objects of the other classes that
    have flag 1 somewhere ignore regions of their own class; the rest (cars, occluders) is left out.
    A file ``gt/labels.txt``, which CVAT writes, names other classes, one in a line.

    Args:
        source: a sequence, or a folder of sequences.

    Raises:
        FileNotFoundError: if there is no such folder or file.
        InputError: if a file is not what it should be.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"There is no folder {source}: give that of the sequences.")
    folders = sorted({path.parent for path in source.glob("*/seqinfo.ini")})
    alone = (source / "seqinfo.ini").is_file()
    if not folders and not alone:
        raise InputError(
            f"{source} has no sequence: there must be a folder with seqinfo.ini in it."
        )
    left_out: dict[str, int] = {}
    videos = [
        _sequence(each, "." if alone else each.name, left_out) for each in folders or [source]
    ]
    return Labels(videos, left_out=left_out)


def _sequence(folder: Path, below: str, left_out: dict[str, int]) -> VideoLabels:
    info = configparser.ConfigParser(interpolation=None)
    path = folder / "seqinfo.ini"
    try:
        info.read_string(read_text(path))
        sequence = dict(info["Sequence"])
    except (configparser.Error, KeyError) as error:
        raise InputError(f"{path} is no seqinfo.ini ({error}): bring it anew.") from error
    width, height = (
        int(number(sequence.get(key.lower()), int, str(path), key))
        for key in ("imWidth", "imHeight")
    )
    labels = folder / "gt/labels.txt"
    classes = tuple(read_text(labels).split("\n")) if labels.is_file() else CLASSES
    classes = tuple(each.strip() for each in classes if each.strip())
    gt = folder / "gt/gt.txt"
    rows = [
        _row(line, f"{gt}, line {index}", classes)
        for index, line in enumerate(read_text(gt).splitlines(), start=1)
        if line.strip()
    ]
    wanted = {category for _, category, flag, _ in rows if flag}
    boxes = []
    for box, category, flag, where in rows:
        ignored = not flag
        if ignored and category in IGNORED_PEOPLE:
            category = CLASSES[0]
        elif ignored and category not in wanted:
            left_out[category] = left_out.get(category, 0) + 1
            continue
        frame, track, *bbox = box
        boxes.append(LabelledBox(frame, category, tuple(bbox), where, track=track, ignored=ignored))
    images = f"{below}/{sequence.get('imdir', 'img1')}"
    name = folder.resolve().name
    return VideoLabels(name, str(gt), boxes, folder=images, size=(width, height))


def _row(line: str, where: str, classes: tuple[str, ...]) -> tuple[list, str, bool, str]:
    fields = [each.strip() for each in line.split(",")]
    if len(fields) < 6:
        raise InputError(
            f"{where}: '{line[:60]}' is not frame, id, x, y, width, height, ...: correct it."
        )
    values = [
        number(each, kind, where, what)
        for each, kind, what in zip(
            fields[:6],
            (int, int, float, float, float, float),
            ("the frame", "the id", "x", "y", "the width", "the height"),
            strict=True,
        )
    ]
    if values[0] < 1:
        raise InputError(f"{where}: frame {values[0]}, but frames count from 1: correct it.")
    flag = bool(number(fields[6], float, where, "the flag")) if len(fields) > 6 else True
    index = int(number(fields[7], float, where, "the class")) if len(fields) > 7 else -1
    if index != -1 and not 1 <= index <= len(classes):  # MOT15 has -1: pedestrians
        raise InputError(f"{where}: class {index} is none of 1 to {len(classes)}: correct it.")
    category = classes[max(index, 1) - 1]
    frame, track, x, y, w, h = values
    return [frame - 1, track, x - 1, y - 1, w, h], category, flag, where
