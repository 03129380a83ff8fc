"""Rules of COCO-VID JSON, for the loader and for the checker.

The loader stops at the first violation that has a sentence; the checker counts all of them. Rules
look at whole columns, and at single records only where something is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .vid_columns import SECTIONS, VIDColumns
from .vid_form import Violations, not_numbers

OPTIONAL_NUMBERS = {
    "images": ("is_vid_train_frame",),
    "annotations": ("instance_id", "iscrowd", "ignore", "occluded"),
}
NO_BOX = "boxes that are no boxes"
OVER_THE_EDGE = "boxes over the edge"
UNKNOWN_SIZES = "unknown sizes"
OPTIONAL = "optional fields"
CORRECT_OR_ADD = "correct it, or add what is missing"


def content_violations(columns: VIDColumns) -> Iterator[Violations]:
    """Violations of all other rules."""
    for rule in CONTENT_RULES:
        for violations in rule(columns):
            if len(violations[2]):
                yield Violations(columns, *violations)


def _empty_lists(columns: VIDColumns) -> Iterator[tuple]:
    for section, sentence in (
        ("categories", "it has no categories: list those that may occur."),
        ("images", "the data set is empty: 'images' lists no frame."),
    ):
        if not columns.records[section]:
            yield "empty lists", section, [0], "", sentence


def _repeated_ids(section: str, columns: VIDColumns) -> Iterator[tuple]:
    ids = columns.numbers(section, "id")
    _, firsts, counts = np.unique(ids, return_index=True, return_counts=True)
    sentence = "'{section}' has id {id} more than once: ids must be unique."
    yield (
        *("repeated ids", section, np.sort(firsts[counts > 1])),
        "{section}: id {id}, {count} times",
        None if section == "annotations" else sentence,
        lambda row: {"count": (ids == ids[row]).sum()},
    )


def _unknown(
    section: str, what: str, others: str, remedy: str, columns: VIDColumns
) -> Iterator[tuple]:
    known = np.isin(columns.numbers(section, f"{what}_id"), columns.numbers(others, "id"))
    problem = f"{what}_id {{{what}_id}}"
    yield (
        *(f"unknown {what}", section, np.flatnonzero(~known)),
        f"{section[:-1]} {{id}}: {problem}",
        f"{{who}} has {problem}, which is not in '{others}': {remedy}.",
    )


def _frame_numbers(columns: VIDColumns) -> Iterator[tuple]:
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

    yield (
        *("frame_id repeats", "images"),
        np.sort(order[is_first & ~np.append(is_first[1:], True)]),
        "video {video_id}: frame {frame_id}, {count} times",
        f"video {{video_id}} repeats frame_id {{frame_id}}: {remedy}.",
        lambda row: {"count": ((videos == videos[row]) & (frames == frames[row])).sum()},
    )
    yield (
        *("frame_id gaps", "images"),
        np.sort(np.minimum.reduceat(order, starts)[has_gap]),
        "video {video_id}: no frame {missing}",
        f"video {{video_id}} {{problem}}: {remedy}; "
        "'datasets/check_vid_json.py JSON --fix OUT.json' does that.",
        gap,
    )


def _file_names(columns: VIDColumns) -> Iterator[tuple]:
    yield (
        *("file names", "images"),
        [row for row, name in enumerate(columns.file_names) if name is None],
        "image {id}",
        "{who} has no 'file_name': add it, or give its video the 'file_name' of a video file.",
    )


def _sizes(columns: VIDColumns) -> Iterator[tuple]:
    remedy = (
        "give its size in pixels; 'datasets/check_vid_json.py JSON --images IMAGES --fix OUT.json' "
        "reads it from the file"
    )

    def details(row: int) -> dict:
        image = columns.records["images"][row]
        missing = [name for name in ("width", "height") if image.get(name) is None]
        size = f"the size {image.get('width')} x {image.get('height')}"
        return {"problem": f"no {missing[0]!r}" if missing else size}

    yield (
        *(UNKNOWN_SIZES, "images", np.flatnonzero((columns.sizes < 1).any(axis=1))),
        "{who} has {problem}",
        f"{{who}} has {{problem}}: {remedy}.",
        details,
    )


def _boxes(columns: VIDColumns) -> Iterator[tuple]:
    """Boxes have an area and lie in their images, where these and their sizes are known."""
    rows = np.flatnonzero(columns.image_rows >= 0)
    boxes, is_box = columns.boxes[rows], columns.is_box[rows]
    sizes = columns.sizes[columns.image_rows[rows]][:, ::-1]
    known = (sizes > 0).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        corner, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        finite = np.isfinite(boxes).all(axis=1)
        no_area = (boxes[:, 2:] <= 0).any(axis=1)
        outside = known & ((end <= 0) | (corner >= sizes)).any(axis=1)
        over = known & ((corner < 0) | (end > sizes)).any(axis=1)

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
        yield (
            *(rule, "annotations", rows[wrong]),
            "annotation {id} of {image}: {bbox}",
            sentence if problem else None,
            details,
        )


def _optional_fields(columns: VIDColumns) -> Iterator[tuple]:
    for section, names in OPTIONAL_NUMBERS.items():
        for name in names:
            yield from not_numbers(columns, OPTIONAL, section, name)
    yield (
        *(OPTIONAL, "annotations", np.flatnonzero(~np.isfinite(columns.areas))),
        "annotation {id}: area {area}",
        "{who} has area {area!r:.40}: it must be a finite number.",
    )


CONTENT_RULES: tuple[Callable[[VIDColumns], Iterator[tuple]], ...] = (
    _empty_lists,
    *(partial(_repeated_ids, section) for section in SECTIONS),
    partial(_unknown, "images", "video", "videos", "add the video"),
    _frame_numbers,
    _file_names,
    _sizes,
    partial(_unknown, "annotations", "image", "images", CORRECT_OR_ADD),
    partial(_unknown, "annotations", "category", "categories", CORRECT_OR_ADD),
    _boxes,
    _optional_fields,
)
