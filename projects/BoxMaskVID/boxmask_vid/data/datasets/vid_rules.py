"""Rules of COCO-VID JSON, for the loader and for the checker.

The loader stops at the first violation that has a sentence; the checker counts all of them. Rules
look at whole columns, and at single records only where something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .vid_columns import SECTIONS, VIDColumns, is_whole_number

NUMBERS = {
    "categories": ("id",),
    "videos": ("id",),
    "images": ("id", "video_id", "frame_id", "width", "height"),
    "annotations": ("id", "image_id", "category_id"),
}
OPTIONAL_NUMBERS = {
    "images": ("is_vid_train_frame",),
    "annotations": ("instance_id", "iscrowd", "occluded"),
}
FORM = "sections and fields"
NO_BOX = "boxes that are no boxes"
OVER_THE_EDGE = "boxes over the edge"


@dataclass(frozen=True)
class Violations:
    """Records of a list that break a rule.

    Attributes:
        rule: name of the rule.
        section: the list.
        rows: positions of the records in it, one at least.
        offender: short description of the record at a position.
        sentence: what is wrong with it, and the remedy; None where it can be loaded all the same.
    """

    rule: str
    section: str
    rows: Sequence[int] | np.ndarray
    offender: Callable[[int], str]
    sentence: Callable[[int], str] | None = None


def form_violations(columns: VIDColumns) -> Iterator[Violations]:
    """Missing lists, missing fields and values of a wrong type.

    The other rules can be applied only where there are none, or where all of them can be loaded.
    """
    for section in SECTIONS:
        if section not in columns.records:
            yield _missing_list(section)
            continue
        if columns.not_records[section]:
            yield _not_records(columns, section)
        for field in NUMBERS[section]:
            yield from _not_numbers(columns, section, field, FORM)
        if section == "categories":
            names = columns.values(section, "name")
            missing = [row for row, name in enumerate(names) if name is None]
            yield from _fields(columns, section, "name", missing, FORM)
            others = [row for row, name in enumerate(names) if not isinstance(name, str | None)]
            yield from _fields(columns, section, "name", others, FORM, can_be_loaded=True)
        if section == "annotations" and not columns.is_box.all():
            values = columns.values(section, "bbox")
            others = [row for row, value in enumerate(values) if not isinstance(value, list)]
            yield from _fields(columns, section, "bbox", others, FORM, can_be_loaded=True)


def content_violations(columns: VIDColumns) -> Iterator[Violations]:
    """Violations of all other rules."""
    for rule in (
        _empty_lists,
        _repeated_ids,
        _unknown_videos,
        _frame_numbers,
        _file_names,
        _unknown_images_and_categories,
        _boxes,
        _optional_fields,
    ):
        yield from (group for group in rule(columns) if len(group.rows))


def describe(section: str, record: dict) -> str:
    """Name a record in a sentence: its id, and fields that help to find it."""
    one = {"categories": "category"}.get(section, section[:-1])
    details = [f"{one} {record.get('id', 'without id')}"]
    details += [f"{key} {record[key]}" for key in ("file_name", "image_id") if key in record]
    return " of ".join(details) if section == "annotations" else ", ".join(details)


def _missing_list(section: str) -> Violations:
    remedy = {
        "videos": "a COCO-VID file lists them; still images without videos are registered with "
        "detectron2's register_coco_instances",
    }.get(section, "a COCO-VID file has categories, videos, images and annotations")
    sentence = f"it has no list '{section}': {remedy}."
    return _of_list(FORM, section, f"there is no list '{section}'", sentence)


def _of_list(rule: str, section: str, offender: str, sentence: str) -> Violations:
    return Violations(rule, section, [0], lambda _: offender, lambda _: sentence)


def _not_records(columns: VIDColumns, section: str) -> Violations:
    return Violations(
        *(FORM, section, columns.not_records[section]),
        offender=lambda row: f"{section}[{row}] is not a record",
        sentence=lambda row: (
            f"'{section}' has an entry at position {row} that is not a record: "
            "correct or remove it."
        ),
    )


def _not_numbers(columns: VIDColumns, section: str, field: str, rule: str) -> Iterator[Violations]:
    try:
        columns.numbers(section, field)
    except (TypeError, ValueError):
        values = columns.values(section, field)
        wrong = [row for row, value in enumerate(values) if not is_whole_number(value)]
        yield from _fields(columns, section, field, wrong, rule)


def _fields(
    columns: VIDColumns,
    section: str,
    field: str,
    rows: list[int],
    rule: str,
    *,
    can_be_loaded: bool = False,
) -> Iterator[Violations]:
    """Fields that are missing or of a wrong type."""
    records = columns.records[section]

    def offender(row: int) -> str:
        value = str(records[row][field])[:30] if field in records[row] else "missing"
        return f"{section}[{row}] (id {records[row].get('id')}): {field} is {value}"

    def sentence(row: int) -> str:
        value, who = records[row].get(field), describe(section, records[row])
        if value is not None or rule != FORM:
            return f"{who} has '{field}' {str(value)[:40]!r}: it must be a whole number."
        if field == "video_id":
            remedy = "give its video, or put still images into a COCO file of their own"
            return f"{who} has no 'video_id': {remedy}."
        return f"{who} has no '{field}': add it."

    rows = sorted(set(rows) - set(columns.not_records[section]))
    if rows:
        yield Violations(rule, section, rows, offender, None if can_be_loaded else sentence)


def _empty_lists(columns: VIDColumns) -> Iterator[Violations]:
    for section, sentence in (
        ("categories", "it has no categories: list those that may occur."),
        ("images", "the data set is empty: 'images' lists no frame."),
    ):
        if not columns.records[section]:
            yield _of_list("empty lists", section, f"'{section}' is empty", sentence)


def _repeated_ids(columns: VIDColumns) -> Iterator[Violations]:
    for section in SECTIONS:
        yield _repeated_ids_of(section, columns.numbers(section, "id"))


def _repeated_ids_of(section: str, ids: np.ndarray) -> Violations:
    _, firsts, counts = np.unique(ids, return_index=True, return_counts=True)
    rows = np.sort(firsts[counts > 1])

    def offender(row: int) -> str:
        return f"{section}: id {ids[row]}, {(ids == ids[row]).sum()} times"

    def sentence(row: int) -> str:
        return f"'{section}' has id {ids[row]} more than once: ids must be unique."

    can_be_loaded = section == "annotations"
    return Violations("repeated ids", section, rows, offender, None if can_be_loaded else sentence)


def _unknown_videos(columns: VIDColumns) -> Iterator[Violations]:
    unknown = ~np.isin(columns.numbers("images", "video_id"), columns.numbers("videos", "id"))
    yield _unknown(columns, "unknown video", unknown, "add the video")


def _unknown_images_and_categories(columns: VIDColumns) -> Iterator[Violations]:
    remedy = "correct it, or add what is missing"
    yield _unknown(columns, "unknown image", columns.image_rows < 0, remedy)
    used, known = columns.numbers("annotations", "category_id"), columns.numbers("categories", "id")
    yield _unknown(columns, "unknown category", ~np.isin(used, known), remedy)


def _unknown(columns: VIDColumns, rule: str, unknown: np.ndarray, remedy: str) -> Violations:
    what = rule.removeprefix("unknown ")
    section = "images" if what == "video" else "annotations"
    one, field = section[:-1], f"{what}_id"
    known = "categories" if what == "category" else f"{what}s"
    records = columns.records[section]

    def offender(row: int) -> str:
        return f"{one} {records[row]['id']}: {field} {records[row][field]}"

    def sentence(row: int) -> str:
        return (
            f"{describe(section, records[row])} has {field} {records[row][field]}, which is not in "
            f"'{known}': {remedy}."
        )

    return Violations(rule, section, np.flatnonzero(unknown), offender, sentence)


def _frame_numbers(columns: VIDColumns) -> Iterator[Violations]:
    """Frames of each video are numbered 0 .. length - 1."""
    videos, frames = columns.numbers("images", "video_id"), columns.numbers("images", "frame_id")
    order = columns.frame_order
    starts = np.flatnonzero(np.diff(videos[order], prepend=np.nan))
    lengths = np.diff([*starts, len(order)])
    if (frames[order] == np.arange(len(order)) - np.repeat(starts, lengths)).all():
        return
    repeats, gaps = [], []
    for rows in np.split(order, starts[1:]):
        numbers, firsts, counts = np.unique(frames[rows], return_index=True, return_counts=True)
        repeats.extend(rows[firsts[counts > 1]].tolist())
        if (numbers != np.arange(len(numbers))).any():
            gaps.append(int(rows.min()))
    remedy = (
        "frames count from 0 without gaps or repeats; list every frame, and renumber them if some "
        "were left out"
    )

    def repeat(row: int) -> str:
        count = ((videos == videos[row]) & (frames == frames[row])).sum()
        return f"video {videos[row]}: frame {frames[row]}, {count} times"

    def gap(row: int) -> str:
        return f"video {videos[row]}: no frame {_first_gap(frames[videos == videos[row]])[0]}"

    def gap_sentence(row: int) -> str:
        missing, found = _first_gap(frames[videos == videos[row]])
        problem = f"lacks {missing}, next is" if found > missing else "has"
        return f"video {videos[row]} {problem} frame_id {found}: {remedy}."

    yield Violations(
        *("frame_id repeats", "images", sorted(repeats), repeat),
        lambda row: f"video {videos[row]} repeats frame_id {frames[row]}: {remedy}.",
    )
    yield Violations("frame_id gaps", "images", sorted(gaps), gap, gap_sentence)


def _first_gap(frames: np.ndarray) -> tuple[int, int]:
    """Find the first number that the frames of a video lack, and the first out of place."""
    numbers = np.unique(frames)
    expected = np.arange(len(numbers))
    return np.setdiff1d(expected, numbers)[0], numbers[numbers != expected][0]


def _file_names(columns: VIDColumns) -> Iterator[Violations]:
    rows = [row for row, name in enumerate(columns.file_names) if name is None]
    yield Violations(
        *("file names", "images", rows),
        lambda row: f"image {columns.records['images'][row]['id']}",
        lambda row: (
            f"{describe('images', columns.records['images'][row])} has no 'file_name': "
            "add it, or give its video the 'file_name' of a video file."
        ),
    )


def _boxes(columns: VIDColumns) -> Iterator[Violations]:
    """Boxes have an area and lie in their images; those of unknown images are left alone."""
    rows = np.flatnonzero(columns.image_rows >= 0)
    boxes, is_box = columns.boxes[rows], columns.is_box[rows]
    sizes = columns.sizes[columns.image_rows[rows]][:, ::-1]
    with np.errstate(invalid="ignore"):
        corner, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        finite = np.isfinite(boxes).all(axis=1)
        no_area = (boxes[:, 2:] <= 0).any(axis=1)
        outside = ((end <= 0) | (corner >= sizes)).any(axis=1)
        over = ((corner < 0) | (end > sizes)).any(axis=1)
    for rule, wrong, problem in (
        (NO_BOX, ~is_box & ~finite, "is not a list of four numbers x, y, width, height"),
        (NO_BOX, is_box & ~finite, "is not finite"),
        (NO_BOX, ~is_box & finite, None),
        ("boxes without area", finite & no_area, "has no area"),
        ("boxes outside their image", finite & ~no_area & outside, "lies outside its image"),
        (OVER_THE_EDGE, finite & ~no_area & ~outside & over, None),
    ):
        yield _wrong_boxes(columns, rule, rows[wrong], problem)


def _wrong_boxes(
    columns: VIDColumns, rule: str, rows: np.ndarray, problem: str | None
) -> Violations:
    annotations, images = columns.records["annotations"], columns.records["images"]

    def offender(row: int) -> str:
        annotation, image = annotations[row], images[columns.image_rows[row]]
        name = image.get("file_name", f"frame {image['frame_id']}")
        return f"annotation {annotation['id']} of {name}: {annotation['bbox']}"

    def sentence(row: int) -> str:
        annotation = annotations[row]
        return (
            f"{describe('annotations', annotation)} has bbox {annotation.get('bbox')}, which "
            f"{problem}: correct or remove it."
        )

    return Violations(rule, "annotations", rows, offender, None if problem is None else sentence)


def _optional_fields(columns: VIDColumns) -> Iterator[Violations]:
    for section, fields in OPTIONAL_NUMBERS.items():
        for field in fields:
            yield from _not_numbers(columns, section, field, "optional fields")
    annotations = columns.records["annotations"]
    yield Violations(
        *("optional fields", "annotations", np.flatnonzero(~np.isfinite(columns.areas))),
        lambda row: f"annotation {annotations[row]['id']}: area {annotations[row]['area']}",
        lambda row: (
            f"{describe('annotations', annotations[row])} has area "
            f"{repr(annotations[row]['area'])[:40]}: it must be a finite number."
        ),
    )
