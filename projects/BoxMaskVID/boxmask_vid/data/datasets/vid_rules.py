"""Rules of COCO-VID JSON, for the loader and for the checker.

The loader stops at the first violation that has a sentence; the checker counts all of them. Rules
look at whole columns, and at single records only where something is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
OPTIONAL = "optional fields"


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
    for section in SECTIONS:
        if section not in columns.records:
            remedy = "a COCO-VID file has categories, videos, images and annotations"
            if section == "videos":
                remedy = (
                    "a COCO-VID file lists them; still images without videos are registered with "
                    "detectron2's register_coco_instances"
                )
            sentence = f"it has no list '{section}': {remedy}."
            yield Violations(columns, FORM, section, [0], "there is no list '{section}'", sentence)
            continue
        if columns.not_records[section]:
            yield Violations(
                *(columns, FORM, section, columns.not_records[section]),
                "{section}[{row}] is not a record",
                "'{section}' has an entry at position {row} that is not a record: correct or "
                "remove it.",
            )
        for name in NUMBERS[section]:
            yield from _not_numbers(columns, FORM, section, name)
        if section == "categories":
            yield from _fields(columns, FORM, section, "name", lambda name: name is None)
            yield from _fields(
                *(columns, FORM, section, "name"),
                lambda name: not isinstance(name, str | None),
                can_be_loaded=True,
            )
        if section == "annotations" and not columns.is_box.all():
            yield from _fields(
                *(columns, FORM, section, "bbox"),
                lambda box: not isinstance(box, list),
                can_be_loaded=True,
            )


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
        yield from (violations for violations in rule(columns) if len(violations.rows))


def _not_numbers(columns: VIDColumns, rule: str, section: str, name: str) -> Iterator[Violations]:
    try:
        columns.numbers(section, name)
    except (TypeError, ValueError):
        yield from _fields(columns, rule, section, name, lambda value: not is_whole_number(value))


def _fields(
    columns: VIDColumns,
    rule: str,
    section: str,
    name: str,
    is_wrong: Callable[[object], bool],
    *,
    can_be_loaded: bool = False,
) -> Iterator[Violations]:
    """Fields that are missing or of a wrong type."""
    records = columns.records[section]

    def details(row: int) -> dict:
        value = records[row].get(name)
        if value is not None or rule != FORM:
            problem = f"'{name}' {str(value)[:40]!r}: it must be a whole number"
        elif name == "video_id":
            remedy = "give its video, or put still images into a COCO file of their own"
            problem = f"no 'video_id': {remedy}"
        else:
            problem = f"no '{name}': add it"
        shown = str(value)[:30] if name in records[row] else "missing"
        return {"name": name, "value": shown, "problem": problem}

    wrong = {row for row, value in enumerate(columns.values(section, name)) if is_wrong(value)}
    rows = sorted(wrong - set(columns.not_records[section]))
    if rows:
        sentence = None if can_be_loaded else "{who} has {problem}."
        offender = "{section}[{row}] (id {id}): {name} is {value}"
        yield Violations(columns, rule, section, rows, offender, sentence, details)


def _empty_lists(columns: VIDColumns) -> Iterator[Violations]:
    for section, sentence in (
        ("categories", "it has no categories: list those that may occur."),
        ("images", "the data set is empty: 'images' lists no frame."),
    ):
        if not columns.records[section]:
            yield Violations(columns, "empty lists", section, [0], "", sentence)


def _repeated_ids(columns: VIDColumns) -> Iterator[Violations]:
    for section in SECTIONS:
        ids = columns.numbers(section, "id")
        _, firsts, counts = np.unique(ids, return_index=True, return_counts=True)
        sentence = "'{section}' has id {id} more than once: ids must be unique."
        yield Violations(
            *(columns, "repeated ids", section, np.sort(firsts[counts > 1])),
            "{section}: id {id}, {count} times",
            None if section == "annotations" else sentence,
            partial(_count, ids),
        )


def _count(ids: np.ndarray, row: int) -> dict:
    return {"count": (ids == ids[row]).sum()}


def _unknown_videos(columns: VIDColumns) -> Iterator[Violations]:
    known = np.isin(columns.numbers("images", "video_id"), columns.numbers("videos", "id"))
    yield _unknown(columns, "images", "video", "videos", known, "add the video")


def _unknown_images_and_categories(columns: VIDColumns) -> Iterator[Violations]:
    used, ids = columns.numbers("annotations", "category_id"), columns.numbers("categories", "id")
    remedy = "correct it, or add what is missing"
    yield _unknown(columns, "annotations", "image", "images", columns.image_rows >= 0, remedy)
    yield _unknown(columns, "annotations", "category", "categories", np.isin(used, ids), remedy)


def _unknown(
    columns: VIDColumns, section: str, what: str, others: str, known: np.ndarray, remedy: str
) -> Violations:
    problem = f"{what}_id {{{what}_id}}"
    return Violations(
        *(columns, f"unknown {what}", section, np.flatnonzero(~known)),
        f"{section[:-1]} {{id}}: {problem}",
        f"{{who}} has {problem}, which is not in '{others}': {remedy}.",
    )


def _frame_numbers(columns: VIDColumns) -> Iterator[Violations]:
    """Frames of each video are numbered 0 .. length - 1."""
    videos, frames = columns.numbers("images", "video_id"), columns.numbers("images", "frame_id")
    order = columns.frame_order
    starts = np.flatnonzero(np.diff(videos[order], prepend=np.nan))
    if not len(starts):
        return
    is_first = np.append(True, np.diff(frames[order]) != 0)  # of the frames with its number
    is_first[starts] = True
    numbers = np.cumsum(is_first)
    expected = numbers - np.repeat(numbers[starts], np.diff([*starts, len(order)]))
    has_gap = np.logical_or.reduceat(frames[order] != expected, starts)
    remedy = (
        "frames count from 0 without gaps or repeats; list every frame, and renumber them if some "
        "were left out"
    )

    def gap(row: int) -> dict:
        numbers = np.unique(frames[videos == videos[row]])
        expected = np.arange(len(numbers))
        missing = np.setdiff1d(expected, numbers)[0]
        found = numbers[numbers != expected][0]
        verb = f"lacks {missing}, next is" if found > missing else "has"
        return {"missing": missing, "problem": f"{verb} frame_id {found}"}

    yield Violations(
        *(columns, "frame_id repeats", "images"),
        np.sort(order[is_first & ~np.append(is_first[1:], True)]),
        "video {video_id}: frame {frame_id}, {count} times",
        f"video {{video_id}} repeats frame_id {{frame_id}}: {remedy}.",
        lambda row: {"count": ((videos == videos[row]) & (frames == frames[row])).sum()},
    )
    yield Violations(
        *(columns, "frame_id gaps", "images"),
        np.sort(np.minimum.reduceat(order, starts)[has_gap]),
        "video {video_id}: no frame {missing}",
        f"video {{video_id}} {{problem}}: {remedy}.",
        gap,
    )


def _file_names(columns: VIDColumns) -> Iterator[Violations]:
    yield Violations(
        *(columns, "file names", "images"),
        [row for row, name in enumerate(columns.file_names) if name is None],
        "image {id}",
        "{who} has no 'file_name': add it, or give its video the 'file_name' of a video file.",
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

    def details(row: int) -> dict:
        image = columns.records["images"][columns.image_rows[row]]
        return {"image": image.get("file_name", f"frame {image['frame_id']}")}

    for rule, wrong, problem in (
        (NO_BOX, ~is_box & ~finite, "is not a list of four numbers x, y, width, height"),
        (NO_BOX, is_box & ~finite, "is not finite"),
        (NO_BOX, ~is_box & finite, None),
        ("boxes without area", finite & no_area, "has no area"),
        ("boxes outside their image", finite & ~no_area & outside, "lies outside its image"),
        (OVER_THE_EDGE, finite & ~no_area & ~outside & over, None),
    ):
        sentence = f"{{who}} has bbox {{bbox}}, which {problem}: correct or remove it."
        yield Violations(
            *(columns, rule, "annotations", rows[wrong]),
            "annotation {id} of {image}: {bbox}",
            sentence if problem else None,
            details,
        )


def _optional_fields(columns: VIDColumns) -> Iterator[Violations]:
    for section, names in OPTIONAL_NUMBERS.items():
        for name in names:
            yield from _not_numbers(columns, OPTIONAL, section, name)
    yield Violations(
        *(columns, OPTIONAL, "annotations", np.flatnonzero(~np.isfinite(columns.areas))),
        "annotation {id}: area {area}",
        "{who} has area {area!r:.40}: it must be a finite number.",
    )
