"""Form of COCO-VID JSON: its lists, their fields and the types of these.

What has another form is named where it is known: still images, exports of other tools.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .other_formats import other_format
from .vid_columns import OTHER_NAMES, SECTIONS, VIDColumns, is_whole_number

NUMBERS = {
    "categories": ("id",),
    "videos": ("id",),
    "images": ("id", "video_id", "frame_id", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
}
FORM = "sections and fields"
NOT_A_RECORD = (
    "'{section}' has an entry at position {row} that is not a record: correct or remove it."
)
STILL_IMAGES = (
    "still images without videos are registered with detectron2's register_coco_instances(NAME, "
    "{{}}, JSON, IMAGES), as datasets/README.md shows"
)
MISSING_LISTS = {
    "videos": f"a COCO-VID file lists them; {STILL_IMAGES}",
    "images": "a COCO-VID file has categories, videos, images and annotations",
}
KINDS: dict[type, str] = {  # bool first: it is an int, too
    **{bool: "true or false", int: "a number", float: "a fraction", str: "a text"},
    **{list: "a list", dict: "a record"},
}


@dataclass(frozen=True)
class Violations:
    """Records of a list that break a rule.

    ``offender`` and ``sentence`` are templates of the fields of a record, of ``who`` (its id, and
    fields that help to find it), ``row``, ``section`` and ``details``.
    """

    columns: VIDColumns
    rule: str
    section: str
    rows: Sequence[int] | np.ndarray  # positions in the section
    offender: str  # short description of a record
    sentence: str | None = None  # problem and remedy; None if it can be loaded all the same
    details: Callable[[int], dict] = lambda row: {}

    def describe(self, row: int, template: str) -> str:
        """Fill a template with the values of a record."""
        record = (self.columns.records.get(self.section) or [{}])[row]
        one = {"categories": "category"}.get(self.section, self.section[:-1])
        names = [f"{one} {record.get('id', 'without id')}"]
        names += [f"{key} {record[key]}" for key in ("file_name", "image_id") if key in record]
        who = (" of " if one == "annotation" else ", ").join(names)
        values = {**record, "who": who, "section": self.section, "row": row, **self.details(row)}
        return template.format_map(defaultdict(lambda: None, values))


def form_violations(columns: VIDColumns) -> Iterator[Violations]:
    """Missing lists, missing fields and values of a wrong type.

    The other rules can be applied only where there are none, or where all of them can be loaded.
    """
    for violations in _form(columns):
        yield Violations(columns, *violations)


def _form(columns: VIDColumns) -> Iterator[tuple]:
    if other := other_format(columns.content):
        yield FORM, "images", [0], other, f"{other}."
        return
    for section in SECTIONS:
        if section not in columns.records:
            remedy = MISSING_LISTS.get(section, MISSING_LISTS["images"])
            sentence = f"it has no list '{section}': {remedy}."
            yield FORM, section, [0], sentence, sentence
            continue
        if columns.not_records[section]:
            offender = "{section}[{row}] is not a record"
            yield FORM, section, columns.not_records[section], offender, NOT_A_RECORD
        for name in NUMBERS[section]:
            if name in ("video_id", "frame_id") and "videos" not in columns.records:
                continue  # still images
            yield from not_numbers(columns, FORM, section, name)
        if section == "categories":
            names = columns.values(section, "name")
            is_none = [name is None for name in names]
            is_other = [not isinstance(name, str | None) for name in names]
            yield from _fields(columns, FORM, section, "name", is_none)
            yield from _fields(columns, FORM, section, "name", is_other, can_be_loaded=True)


def not_numbers(columns: VIDColumns, rule: str, section: str, name: str) -> Iterator[tuple]:
    """Values of a field that are not whole numbers."""
    try:
        columns.numbers(section, name)
    except (TypeError, ValueError, OverflowError):
        is_wrong = [not is_whole_number(value) for value in columns.values(section, name)]
        yield from _fields(columns, rule, section, name, is_wrong)


def _fields(
    columns: VIDColumns,
    rule: str,
    section: str,
    name: str,
    is_wrong: list[bool],
    *,
    can_be_loaded: bool = False,
) -> Iterator[tuple]:
    """Fields that are missing or of a wrong type."""
    records = columns.records[section]

    def details(row: int) -> dict:
        record = records[row]
        found = name if name in record else OTHER_NAMES.get(name, name)
        value = record.get(found)
        if found not in record:
            shown = "missing"
        elif value is None:
            shown = "null"
        else:
            shown = f"{repr(value)[:40]}, {kind_of(value)}"
        if value is not None or rule != FORM:
            problem = f"'{found}' {shown}: it must be a whole number"
        elif name == "video_id":
            problem = f"no 'video_id': give its video; {STILL_IMAGES.format()}"
        else:
            problem = f"no '{name}': add it"
        return {"name": found, "value": shown, "problem": problem}

    if rows := sorted(set(np.flatnonzero(is_wrong)) - set(columns.not_records[section])):
        offender = "{section}[{row}] (id {id}): {name} is {value}"
        sentence = None if can_be_loaded else "{who} has {problem}."
        yield rule, section, rows, offender, sentence, details


def kind_of(value: object) -> str:
    """Kind of a JSON value, as messages call it."""
    return next((kind for form, kind in KINDS.items() if isinstance(value, form)), "null")
