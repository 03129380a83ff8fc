"""Reader of MOTChallenge sequences: ``gt/gt.txt`` and ``seqinfo.ini``."""

from __future__ import annotations

import configparser
from pathlib import Path

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, number, read_lines, read_text

# classes of MOT16, MOT17 and MOT20, numbered from 1
CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_motorized_vehicle"),
    *("static_person", "distractor", "occluder", "occluder_on_ground", "occluder_full"),
    *("reflection", "crowd"),
)
# People whose detections the MOTChallenge counts neither as right nor as wrong.
IGNORED_PEOPLE = {"person_on_vehicle", "static_person", "distractor", "reflection", "crowd"}

# frame, track, (x, y, width, height), frames and pixels from 0
Box = tuple[int, int, tuple[float, float, float, float]]


def read_mot_challenge(source: Path) -> Labels:
    """Read rows ``frame, id, x, y, width, height, flag, class, visibility``.

    Frames and pixels count from 1. Rows with flag 1 are objects of their class. Rows with flag 0
    become ignore regions: people of :data:`IGNORED_PEOPLE` of the class pedestrian, others of their
    own class if it has flag 1 somewhere; the rest (cars, occluders) is left out. A file
    ``gt/labels.txt``, which CVAT writes, names other classes, one per line.

    Args:
        source: a sequence, or a folder of sequences.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"Folder {source} not found: give the folder of the sequences.")
    folders = sorted({path.parent for path in source.glob("*/seqinfo.ini")})
    alone = (source / "seqinfo.ini").is_file()
    if not folders and not alone:
        raise InputError(f"{source} has no sequence: it must have a folder with seqinfo.ini in it.")
    left_out: dict[str, int] = {}
    below = "." if alone else None
    videos = [_sequence(folder, below or folder.name, left_out) for folder in folders or [source]]
    return Labels(videos, left_out=left_out)


def _sequence(folder: Path, below: str, left_out: dict[str, int]) -> VideoLabels:
    info = configparser.ConfigParser(interpolation=None)
    path = folder / "seqinfo.ini"
    try:
        info.read_string(read_text(path))
        sequence = dict(info["Sequence"])
    except (configparser.Error, KeyError) as error:
        raise InputError(f"{path} is not a seqinfo.ini ({error}): download it again.") from error
    width, height = (
        number(sequence.get(key.lower()), int, str(path), key) for key in ("imWidth", "imHeight")
    )
    labels, gt = folder / "gt/labels.txt", folder / "gt/gt.txt"
    names = read_text(labels).split("\n") if labels.is_file() else CLASSES
    classes = tuple(name.strip() for name in names if name.strip())
    rows = [_row(line, where, classes) for where, line in read_lines(gt)]
    wanted = {category for _, category, flag, _ in rows if flag}
    boxes = []
    for (frame, track, bbox), category, flag, where in rows:
        ignored = not flag
        if ignored and category in IGNORED_PEOPLE:
            category = CLASSES[0]
        elif ignored and category not in wanted:
            left_out[category] = left_out.get(category, 0) + 1
            continue
        boxes.append(LabelledBox(frame, category, bbox, where, track=track, ignored=ignored))
    images = f"{below}/{sequence.get('imdir', 'img1')}"
    name, size = folder.resolve().name, (width, height)
    return VideoLabels(name, str(gt), boxes, folders=(images,), size=size)


def _row(line: str, where: str, classes: tuple[str, ...]) -> tuple[Box, str, bool, str]:
    fields = [field.strip() for field in line.split(",")]
    if len(fields) < 6:
        raise InputError(
            f"{where}: '{line[:60]}' is not frame, id, x, y, width, height, ...: correct it."
        )
    frame = number(fields[0], int, where, "the frame")
    track = number(fields[1], int, where, "the id")
    x, y, w, h = (
        number(field, float, where, what)
        for field, what in zip(fields[2:6], ("x", "y", "the width", "the height"), strict=True)
    )
    if frame < 1:
        raise InputError(f"{where}: frame {frame}, but frames count from 1: correct it.")
    flag = bool(number(fields[6], float, where, "the flag")) if len(fields) > 6 else True
    index = int(number(fields[7], float, where, "the class")) if len(fields) > 7 else -1
    if index != -1 and not 1 <= index <= len(classes):  # MOT15 has -1: pedestrians
        raise InputError(f"{where}: class {index} is not one of 1 to {len(classes)}: correct it.")
    category = classes[max(index, 1) - 1]
    return (frame - 1, track, (x - 1, y - 1, w, h)), category, flag, where
