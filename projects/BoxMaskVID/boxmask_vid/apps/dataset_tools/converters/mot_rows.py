"""Rows of MOTChallenge files: the meaning of their columns, which differs between its years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from .labels import number, read_lines, whole_number

# classes of MOT16, MOT17 and MOT20, numbered from 1
CLASSES = (
    *("pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_motorized_vehicle"),
    *("static_person", "distractor", "occluder", "occluder_on_ground", "occluder_full"),
    *("reflection", "crowd"),
)
COLUMNS = "frame, id, x, y, width, height, flag, class, visibility"
FEWEST, MOST = 6, 10
NO_CLASS = -1


@dataclass(frozen=True)
class MotRow:
    """A box of ``gt.txt``, with numbers as they are in the file."""

    frame: int
    track: int | None
    bbox: tuple[float, float, float, float]  # x, y, width, height
    is_object: bool  # its flag: False if the MOTChallenge does not count it
    category: str | None  # None if the file has no classes
    where: str


def read_rows(path: Path, labels: Sequence[str] | None) -> list[MotRow]:
    """Read the rows of a file, which all have the same columns.

    MOT15 has ten columns: X, Y and Z in metres, or -1, are where the later years have class and
    visibility.

    Args:
        path: ``gt/gt.txt``.
        labels: names of the classes in ``gt/labels.txt``; None without such a file.

    Raises:
        InputError: if a row cannot be read, or if a column can have two meanings.
    """
    rows = [
        (where, [field.strip() for field in line.split(",")]) for where, line in read_lines(path)
    ]
    if rows and all(fields[-1] == "" for _, fields in rows):  # rows end with a comma
        rows = [(where, fields[:-1]) for where, fields in rows]
    for where, fields in rows:
        if not FEWEST <= len(fields) <= MOST:
            shown = ",".join(fields)[:60]
            raise InputError(
                f"{where}: '{shown}' has {len(fields)} columns, not {COLUMNS}, separated by commas."
            )
        if len(fields) != len(rows[0][1]):
            raise InputError(
                f"{where} has {len(fields)} columns, the first row has {len(rows[0][1])}: correct "
                "it."
            )
    with_classes = _has_classes(path, rows, labels)
    return [_row(fields, where, labels, with_classes) for where, fields in rows]


def _has_classes(
    path: Path, rows: Sequence[tuple[str, list[str]]], labels: Sequence[str] | None
) -> bool:
    """Whether the eighth column has classes, and not coordinates in metres or nothing."""
    if not rows or len(rows[0][1]) < 8:
        return False
    eighth = [number(fields[7], float, where, "the class") for where, fields in rows]
    if all(value == NO_CLASS for value in eighth):
        return False
    decimal = next((row for row, value in enumerate(eighth) if value != int(value)), None)
    if decimal is not None and labels is not None:
        raise InputError(
            f"{rows[decimal][0]}: class {rows[decimal][1][7]} is not a whole number, and "
            f"gt/labels.txt has classes: correct it."
        )
    if decimal is not None:
        return False
    if len(rows[0][1]) == MOST and labels is None:
        raise InputError(
            f"{path} has ten columns, the eighth of them with whole numbers, which can be classes "
            "or metres: leave nine columns if they are classes, write -1 into the last three if "
            "not."
        )
    return True


def _row(fields: list[str], where: str, labels: Sequence[str] | None, with_classes: bool) -> MotRow:
    frame = whole_number(fields[0], where, "the frame")
    track = whole_number(fields[1], where, "the id")
    x, y, w, h = (
        number(field, float, where, what)
        for field, what in zip(fields[2:6], ("x", "y", "the width", "the height"), strict=True)
    )
    if frame < 0:
        raise InputError(f"{where}: frame {frame}, but frames count from 1: correct it.")
    flag = number(fields[6], float, where, "the flag") if len(fields) > 6 else 1
    if flag not in (-1, 0, 1):
        raise InputError(
            f"{where}: the flag is {fields[6]}, not 0 or 1: if it is a confidence, these are "
            "detections, not annotations; write 1 for those that you have checked."
        )
    category = None
    if with_classes:
        names = labels or CLASSES
        index = whole_number(fields[7], where, "the class")
        if not 1 <= index <= len(names):
            raise InputError(
                f"{where}: class {index} is not one of 1 to {len(names)}: correct it, or name your "
                "own classes in gt/labels.txt, one a line."
            )
        category = names[index - 1]
        _check_visibility(fields, where)
    return MotRow(frame, None if track < 0 else track, (x, y, w, h), flag != 0, category, where)


def _check_visibility(fields: list[str], where: str) -> None:
    if len(fields) > 8:
        share = number(fields[8], float, where, "the visibility")
        if not (0 <= share <= 1 or share == -1):
            raise InputError(
                f"{where}: visibility {fields[8]} is not within 0 .. 1: the columns are {COLUMNS}."
            )
