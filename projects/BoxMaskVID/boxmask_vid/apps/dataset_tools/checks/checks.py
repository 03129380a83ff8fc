"""Checks of a COCO-VID JSON: the rules of the format, and other faults that spoil a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path

import numpy as np

from ....data.datasets.vid_columns import VIDColumns
from ....data.datasets.vid_form import form_violations
from ....data.datasets.vid_rules import content_violations
from ....errors import InputError
from ..corners import CornerCheck
from .clips import check_clips
from .image_files import check_images
from .report import UNUSABLE, CheckReport
from .tracks import check_tracks

IMBALANCE = 100  # times that the most frequent class may outnumber the rarest

Records = dict[str, list[dict]]


def check_content(
    content: object,
    *,
    image_root: Path | None = None,
    decode: bool = True,
    others: Iterable[tuple[str, object]] = (),
) -> CheckReport:
    """Find all faults of a COCO-VID JSON.

    Args:
        content: the decoded JSON.
        image_root: folder that its file names are relative to; None to skip the image files.
        decode: decode every image; otherwise only their headers are read.
        others: names and contents of other splits.

    Raises:
        InputError: if another split is not COCO-VID.
    """
    report, columns = CheckReport(), VIDColumns(content)
    for violations in form_violations(columns):
        report.add_violations(violations)
        report.cannot_be_loaded |= violations.sentence is not None
    if report.cannot_be_loaded:  # the other checks need all fields
        return report
    unusable: set[int] = set()
    for violations in content_violations(columns):
        report.add_violations(violations)
        if violations.rule in UNUSABLE and violations.sentence is not None:
            unusable.update(map(int, violations.rows))
    records = columns.records
    _check_videos(records, report)
    _check_boxes(columns, unusable, report)
    _check_corners(columns, report)
    check_clips(columns, report)
    check_tracks(columns, unusable, report)
    _check_balance(records, report)
    for name, other in others:
        _check_split(records, name, other, report)
    if image_root is not None:
        check_images(columns, image_root, decode, report)
    return report


def _check_videos(records: Records, report: CheckReport) -> None:
    key_frames: Counter[int] = Counter()
    for image in records["images"]:
        key_frames[image["video_id"]] += bool(image.get("is_vid_train_frame"))
    if any(key_frames.values()):
        for video_id, count in key_frames.items():
            if not count:
                report.add("videos without key frames", f"video {video_id}")
    for video in records["videos"]:
        if video["id"] not in key_frames:
            report.add("videos without frames", f"video {video['id']} {video.get('name', '')}")


def _check_boxes(columns: VIDColumns, unusable: set[int], report: CheckReport) -> None:
    """There are boxes to train on: usable ones of a pixel or more on key frames."""
    if report.findings["optional fields"].count or not columns.records["images"]:
        return
    ignored, rows = columns.is_ignored, columns.image_rows
    if ignored.any():
        report.add("ignored boxes", f"{ignored.sum()} of {len(ignored)} (iscrowd or ignore)")
    is_key = columns.numbers("images", "is_vid_train_frame") != 0
    is_key |= not is_key.any()
    small = ~(columns.boxes[:, 2:] >= 1).all(axis=1)
    counts = {"in all": len(rows), "ignored": ignored.sum(), "unusable": len(unusable)}
    counts |= {"below a pixel": small.sum(), "not on key frames": (~is_key[rows]).sum()}
    is_unusable = np.isin(np.arange(len(rows)), list(unusable))
    if not (~ignored & ~small & ~is_unusable & is_key[rows]).any():
        why = [f"{count} {what}" for what, count in counts.items() if count or what == "in all"]
        report.add("no boxes", f"none to train on or to score: {', '.join(why)}")


def _check_corners(columns: VIDColumns, report: CheckReport) -> None:
    """Boxes are no x1, y1, x2, y2, as their areas or the sizes of their images may show."""
    boxes, rows = columns.boxes, columns.image_rows
    if not len(boxes) or (rows < 0).any() or not (boxes[:, 2:] > boxes[:, :2]).all():
        return
    sizes = columns.sizes[rows]
    if (sizes < 1).any():
        return
    sides = [(width, height) for height, width in sizes.tolist()]
    pairs = zip(boxes.tolist(), columns.areas.tolist(), strict=True)
    areas = [(box, area) for box, area in pairs if area >= 0]
    if reason := CornerCheck(list(zip(boxes.tolist(), sides, strict=True)), areas).reason():
        for annotation in columns.records["annotations"]:
            report.add("boxes that are corners", f"annotation {annotation['id']}, {reason}")


def _check_balance(records: Records, report: CheckReport) -> None:
    counts = Counter(annotation["category_id"] for annotation in records["annotations"])
    boxes = [(counts[record["id"]], str(record["name"])) for record in records["categories"]]
    for count, name in boxes:
        if not count:
            report.add("classes without boxes", name)
    present = sorted((count, name) for count, name in boxes if count)
    if present and present[-1][0] > IMBALANCE * present[0][0]:
        (fewest, rare), (most, frequent) = present[0], present[-1]
        report.add("class imbalance", f"{most} boxes of {frequent}, {fewest} of {rare}")


def _check_split(records: Records, name: str, content: object, report: CheckReport) -> None:
    other = VIDColumns(content)
    if any(form_violations(other)):
        raise InputError(f"{name} is not a COCO-VID JSON: check it by itself first.")
    shared = set(_video_names(other.records))
    for video in dict.fromkeys(_video_names(records)):
        if video in shared:
            report.add("splits that share videos", f"{video} is in {name}, too")
    classes, theirs = _class_names(records), _class_names(other.records)
    if classes != theirs:
        report.add("splits whose classes differ", f"{classes} here, {theirs} in {name}")


def _class_names(records: Records) -> list[str]:
    """Names by category id: their positions are the classes of the model."""
    ordered = sorted(records["categories"], key=itemgetter("id"))
    return [str(category["name"]) for category in ordered]


def _video_names(records: Records) -> Iterator[str]:
    """Names that identify videos across files; where a name is missing, folders of the images."""
    all_named = True
    for video in records["videos"]:
        if "name" in video or "file_name" in video:
            yield str(video.get("name", video.get("file_name")))
        else:
            all_named = False
    if not all_named:
        yield from {str(Path(str(image.get("file_name"))).parent) for image in records["images"]}
