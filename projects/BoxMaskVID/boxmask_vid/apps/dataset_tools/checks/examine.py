"""Examining a COCO-VID JSON beyond what training must refuse."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from detectron2.utils.file_io import PathManager
from PIL import Image

from ....data.video_frame_names import join_root, video_frame_name
from ....errors import InputError
from ....parallel import in_processes
from ..converters.media import oriented_size

SHOWN = 3  # first offenders of a finding
JUMP = 2.0  # diagonals of its box that an object may move from a frame to the next
IMBALANCE = 100  # times that the most frequent class may outnumber the rarest

# check: whether it is an error
CHECKS = {
    "sections and fields": True,
    "repeated ids": True,
    "unknown video": True,
    "unknown image": True,
    "unknown category": True,
    "frame_id repeats": True,
    "frame_id gaps": True,
    "missing images": True,
    "unreadable images": True,
    "sizes that disagree with the files": True,
    "boxes that are no boxes": True,
    "boxes without area": True,
    "boxes outside their image": True,
    "boxes over the edge": False,
    "tracks that change class": True,
    "tracks twice on a frame": True,
    "tracks that jump": False,
    "track ids used in several videos": False,
    "videos without frames": False,
    "videos without key frames": False,
    "classes without boxes": False,
    "class imbalance": False,
    "splits that share videos": True,
}


@dataclass
class Finding:
    """How often something was found, and where first."""

    check: str
    count: int = 0
    first: list[str] = field(default_factory=list)

    @property
    def is_error(self) -> bool:
        """Errors stop or spoil a training, warnings need a look."""
        return CHECKS[self.check]


@dataclass
class Examination:
    """All findings, and the records that they concern, for repairs.

    Attributes:
        findings: by check, in the order of :data:`CHECKS`.
        bad_images: positions in ``images`` of files that are missing or unreadable.
        bad_annotations: positions in ``annotations`` that no training can use.
    """

    findings: dict[str, Finding] = field(default_factory=lambda: {c: Finding(c) for c in CHECKS})
    bad_images: set[int] = field(default_factory=set)
    bad_annotations: set[int] = field(default_factory=set)

    def add(self, check: str, offender: str) -> None:
        """Count an offender."""
        finding = self.findings[check]
        finding.count += 1
        if len(finding.first) < SHOWN:
            finding.first.append(offender)

    @property
    def has_errors(self) -> bool:
        """Whether a training would stop or be spoiled."""
        return any(each.count and each.is_error for each in self.findings.values())


def examine(
    content: object,
    *,
    image_root: Path | None = None,
    decode: bool = True,
    others: Iterable[tuple[str, dict]] = (),
) -> Examination:
    """
    Args:
        content: a COCO-VID JSON as it was read.
        image_root: folder that its file names are relative to; None to leave the images alone.
        decode: decode every image; else only their heads are read.
        others: names and contents of other splits.

    Raises:
        InputError: if another split is no COCO-VID.
    """
    examination = Examination()
    if not _has_sections(content, examination):
        return examination
    _check_references(content, examination)
    _check_frame_ids(content, examination)
    _check_boxes(content, examination)
    _check_tracks(content, examination)
    _check_balance(content, examination)
    for name, other in others:
        _check_splits(content, name, other, examination)
    if image_root is not None:
        _check_images(content, image_root, decode, examination)
    return examination


FIELDS = {
    "categories": {"id": int, "name": str},
    "videos": {"id": int},
    "images": {"id": int, "video_id": int, "frame_id": int, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list},
}


def _has_sections(content: object, examination: Examination) -> bool:
    """Whether all lists are there and their records have what the other checks use."""
    for section, fields in FIELDS.items():
        records = content.get(section) if isinstance(content, dict) else None
        if not isinstance(records, list):
            examination.add("sections and fields", f"there is no list '{section}'")
            continue
        for row, record in enumerate(records):
            if not isinstance(record, dict):
                examination.add("sections and fields", f"{section}[{row}] is no record")
                continue
            for name, kind in fields.items():
                if not isinstance(record.get(name), kind):
                    value = str(record[name])[:30] if name in record else "missing"
                    what = f"{section}[{row}] (id {record.get('id')}): {name} is {value}"
                    examination.add("sections and fields", what)
    return not examination.findings["sections and fields"].count


def _check_references(content: dict, examination: Examination) -> None:
    ids = {}
    for section in FIELDS:
        counts = Counter(each["id"] for each in content[section])
        ids[section] = set(counts)
        for each, count in counts.items():
            if count > 1:
                examination.add("repeated ids", f"{section}: id {each}, {count} times")
    for each in content["images"]:
        if each["video_id"] not in ids["videos"]:
            examination.add("unknown video", f"image {each['id']}: video_id {each['video_id']}")
    for row, each in enumerate(content["annotations"]):
        for check, key, section in (
            ("unknown image", "image_id", "images"),
            ("unknown category", "category_id", "categories"),
        ):
            if each[key] not in ids[section]:
                examination.add(check, f"annotation {each['id']}: {key} {each[key]}")
                examination.bad_annotations.add(row)


def _check_frame_ids(content: dict, examination: Examination) -> None:
    frames = defaultdict(list)
    keys = Counter()
    for each in content["images"]:
        frames[each["video_id"]].append(each["frame_id"])
        keys[each["video_id"]] += bool(each.get("is_vid_train_frame"))
    for video, numbers in frames.items():
        counts = Counter(numbers)
        for number, count in counts.items():
            if count > 1:
                examination.add("frame_id repeats", f"video {video}: frame {number}, {count} times")
        missing = next((i for i in range(len(counts)) if i not in counts), None)
        if missing is not None:
            examination.add("frame_id gaps", f"video {video}: no frame {missing}")
        if keys and sum(keys.values()) and not keys[video]:
            examination.add("videos without key frames", f"video {video}")
    for each in content["videos"]:
        if each["id"] not in frames:
            examination.add("videos without frames", f"video {each['id']} {each.get('name', '')}")


def _check_boxes(content: dict, examination: Examination) -> None:
    images = {each["id"]: each for each in content["images"]}
    for row, each in enumerate(content["annotations"]):
        image = images.get(each["image_id"])
        if image is None:
            continue
        check = _box_problem(each["bbox"], image["width"], image["height"])
        if check is not None:
            name = image.get("file_name", f"frame {image['frame_id']}")
            examination.add(check, f"annotation {each['id']} of {name}: {each['bbox']}")
            if CHECKS[check]:
                examination.bad_annotations.add(row)


def _box_problem(box: list, width: int, height: int) -> str | None:
    if len(box) != 4 or not all(
        isinstance(side, (int, float)) and math.isfinite(side) for side in box
    ):
        return "boxes that are no boxes"
    x, y, w, h = box
    if w <= 0 or h <= 0:
        return "boxes without area"
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return "boxes outside their image"
    if x < 0 or y < 0 or x + w > width or y + h > height:
        return "boxes over the edge"
    return None


def _check_tracks(content: dict, examination: Examination) -> None:
    images = {each["id"]: each for each in content["images"]}
    tracks = defaultdict(list)
    videos = defaultdict(set)
    for row, each in enumerate(content["annotations"]):
        track = each.get("instance_id", -1)
        if track == -1 or row in examination.bad_annotations or not isinstance(track, (int, str)):
            continue
        image = images[each["image_id"]]
        tracks[image["video_id"], track].append((image["frame_id"], each, image))
        videos[track].add(image["video_id"])
    for track, used in videos.items():
        if len(used) > 1:
            shown = ", ".join(map(str, sorted(used)[:4]))
            examination.add("track ids used in several videos", f"track {track}: videos {shown}")
    for (video, track), boxes in tracks.items():
        boxes.sort(key=lambda each: each[0])
        where = f"video {video}, track {track}"
        classes = list(dict.fromkeys(each["category_id"] for _, each, _ in boxes))
        if len(classes) > 1:
            shown = " and ".join(map(str, classes[:3]))
            examination.add("tracks that change class", f"{where}: categories {shown}")
        for (frame, before, image), (following, after, _) in pairwise(boxes):
            if frame == following:
                examination.add("tracks twice on a frame", f"{where}, frame {frame}")
            elif _jumps(before["bbox"], after["bbox"], following - frame, image):
                what = f"{where}, frame {frame} to {following}: {before['bbox']}, {after['bbox']}"
                examination.add("tracks that jump", what)


def _jumps(before: list, after: list, frames: int, image: dict) -> bool:
    """Whether a box moves further in a frame than its size and a share of the image explain."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = before, after
    moved = math.hypot(x1 + w1 / 2 - x2 - w2 / 2, y1 + h1 / 2 - y2 - h2 / 2) / frames
    size = (math.hypot(w1, h1) + math.hypot(w2, h2)) / 2
    return moved > max(JUMP * size, 0.05 * math.hypot(image["width"], image["height"]))


def _check_balance(content: dict, examination: Examination) -> None:
    counts = Counter(each["category_id"] for each in content["annotations"])
    for each in content["categories"]:
        if not counts[each["id"]]:
            examination.add("classes without boxes", each["name"])
    present = [(counts[each["id"]], each["name"]) for each in content["categories"]]
    present = sorted(each for each in present if each[0])
    if present and present[-1][0] > IMBALANCE * present[0][0]:
        rare, frequent = present[0], present[-1]
        examination.add(
            "class imbalance", f"{frequent[0]} boxes of {frequent[1]}, {rare[0]} of {rare[1]}"
        )


def _check_splits(content: dict, name: str, other: dict, examination: Examination) -> None:
    if not _has_sections(other, Examination()):
        raise InputError(f"{name} is no COCO-VID JSON: have it examined by itself first.")
    theirs = set(_video_names(other))
    for video in dict.fromkeys(_video_names(content)):
        if video in theirs:
            examination.add("splits that share videos", f"{video} is in {name}, too")


def _video_names(content: dict) -> Iterator[str]:
    """What tells a video in several files: the name, else the folder of its images."""
    for each in content["videos"]:
        if "name" in each or "file_name" in each:
            yield str(each.get("name", each.get("file_name")))
    if not all("name" in each or "file_name" in each for each in content["videos"]):
        yield from {str(Path(str(each.get("file_name"))).parent) for each in content["images"]}


def _check_images(content: dict, root: Path, decode: bool, examination: Examination) -> None:
    videos = {each["id"]: each.get("file_name") for each in content["videos"]}
    jobs = []
    for image in content["images"]:
        name = image.get("file_name")
        if name is None and videos.get(image["video_id"]):
            name = video_frame_name(videos[image["video_id"]], image["frame_id"])
        path = None if name is None else join_root(str(root), str(name))
        jobs.append((path, image["width"], image["height"], decode))
    for row, problem in enumerate(in_processes(_image_problem, jobs, what="image")):
        if problem is not None:
            check, what = problem
            examination.add(check, what)
            if check != "sizes that disagree with the files":
                examination.bad_images.add(row)


def _image_problem(job: tuple[str | None, int, int, bool]) -> tuple[str, str] | None:
    """The check that an image fails, and how."""
    path, width, height, decode = job
    if path is None:
        return "missing images", "an image without file_name"
    try:
        with PathManager.open(path, "rb") as file, Image.open(file) as image:
            if decode:
                image.load()
            size = oriented_size(image)
    except FileNotFoundError:
        return "missing images", path
    except (OSError, SyntaxError, ValueError, InputError) as error:
        return "unreadable images", f"{path} ({str(error)[:80]})"
    if size != (width, height):
        problem = f"{path}: {size[0]} x {size[1]}, not {width} x {height}"
        return "sizes that disagree with the files", problem
    return None
