"""Fixes of the form of a JSON that is almost COCO-VID, so that the other checks can be applied."""

from __future__ import annotations

from ....data.datasets.vid_columns import is_whole_number
from ....data.datasets.vid_form import NUMBERS
from .values import whole_number

REFERENCES = ("image_id", "category_id")


def fix_form(content: dict) -> dict[str, int]:
    """Fix ids and annotations in place; return how many, by sentences with a place for the number.

    Annotations that name no image or no category are left out, but not all of them.
    """
    counts = {
        "{} ids and sizes written as text or fraction turned into numbers": _read_numbers(content)
    }
    annotations = content.get("annotations")
    if isinstance(annotations, list):
        kept = [record for record in annotations if _names_image_and_category(record)]
        if kept:
            content["annotations"] = kept
            without = len(annotations) - len(kept)
            counts["{} annotations that name no image or no category removed"] = without
            counts["{} annotations without an id numbered"] = _number(kept)
    return counts


def _read_numbers(content: dict) -> int:
    count = 0
    for section, names in NUMBERS.items():
        records = content.get(section)
        for record in records if isinstance(records, list) else ():
            for name in names if isinstance(record, dict) else ():
                value = record.get(name)
                number = whole_number(value)
                if number is not None and not is_whole_number(value):
                    record[name] = number
                    count += 1
    return count


def _names_image_and_category(record: object) -> bool:
    if not isinstance(record, dict):
        return False
    return all(is_whole_number(record.get(name)) for name in REFERENCES)


def _number(annotations: list[dict]) -> int:
    ids = [record["id"] for record in annotations if is_whole_number(record.get("id"))]
    without = [record for record in annotations if not is_whole_number(record.get("id"))]
    for number, record in enumerate(without, start=max(ids, default=0) + 1):
        record["id"] = number
    return len(without)
