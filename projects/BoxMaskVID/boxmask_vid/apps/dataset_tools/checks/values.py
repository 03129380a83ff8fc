"""Fixes of values that are written as another kind than they are, text for numbers among them."""

from __future__ import annotations

import math
import re

from ....data.datasets.vid_columns import OTHER_NAMES, VIDColumns, is_whole_number

FLAGS = {"images": ("is_vid_train_frame",), "annotations": ("iscrowd", "ignore", "occluded")}
NO_TRACK = -1
WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0*)?")  # a whole number as text


def fix_values(content: dict) -> dict[str, int]:
    """Fix values in place; return how many, by sentences with a place for the number."""
    numbered, left_out = _fix_tracks(content["annotations"])
    return {
        "{} names of categories written as text": _name_categories(content["categories"]),
        "{} boxes written as text turned into numbers": _read_boxes(content),
        "{} areas that are no numbers left out": _leave_areas_out(content),
        "{} flags turned into whole numbers": _read_flags(content),
        "{} tracks that were no whole numbers numbered": numbered,
        "{} instance_id or track_id that name no track left out": left_out,
    }


def _name_categories(categories: list[dict]) -> int:
    others = [category for category in categories if not isinstance(category["name"], str)]
    for category in others:
        category["name"] = str(category["name"])
    return len(others)


def _read_boxes(content: dict) -> int:
    columns, count = VIDColumns(content), 0
    boxes = zip(content["annotations"], columns.boxes.tolist(), columns.is_box, strict=True)
    for annotation, box, is_box in boxes:
        if not is_box and all(map(math.isfinite, box)):
            annotation["bbox"] = box
            count += 1
    return count


def _leave_areas_out(content: dict) -> int:
    areas = VIDColumns(content).areas.tolist()
    rows = [row for row, area in enumerate(areas) if not math.isfinite(area)]
    for row in rows:
        del content["annotations"][row]["area"]
    return len(rows)


def _read_flags(content: dict) -> int:
    count = 0
    for section, names in FLAGS.items():
        for record in content[section]:
            for name in names:
                value = record.get(name, 0)
                number = 0 if value is None else whole_number(value)
                if number is not None and not is_whole_number(value):
                    record[name] = number
                    count += 1
    return count


def _fix_tracks(annotations: list[dict]) -> tuple[int, int]:
    """Number tracks with other names, equal names alike; count them, and names of nothing."""
    fields = [track_field(annotation) for annotation in annotations]
    values = [
        annotation.get(field, NO_TRACK)
        for annotation, field in zip(annotations, fields, strict=True)
    ]
    if all(map(is_whole_number, values)):
        return 0, 0
    names = [_track_name(value) for value in values]
    known = dict.fromkeys(name for name in names if name not in (None, NO_TRACK))
    numbers: dict = {name: name for name in known}
    if not all(map(is_whole_number, known)):
        numbers = {name: number for number, name in enumerate(known, start=1)}
    changed, left_out = set(), 0
    for annotation, field, name, value in zip(annotations, fields, names, values, strict=True):
        if name is None:
            del annotation[field]
            left_out += 1
        elif (number := numbers.get(name, NO_TRACK)) != value or not is_whole_number(value):
            annotation[field] = number
            changed.add(name)
    return len(changed), left_out


def track_field(annotation: dict) -> str:
    """Name of the field that has the track of an annotation."""
    return "instance_id" if "instance_id" in annotation else OTHER_NAMES["instance_id"]


def _track_name(value: object) -> int | float | str | None:
    """The name of a track: a whole number where it can be one; None if it names nothing."""
    number = whole_number(value)
    if number is not None:
        return number
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.strip() or None if isinstance(value, str) else None


def whole_number(value: object) -> int | None:
    """A value as whole number where it is one, also as a fraction such as 1.0 or as a text."""
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        value = int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) and is_whole_number(value) else None
