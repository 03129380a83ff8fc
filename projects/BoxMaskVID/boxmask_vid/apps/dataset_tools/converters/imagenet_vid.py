"""Conversion of ImageNet VID (ILSVRC layout) to COCO-VID JSON; datasets/README.md has the tree."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ....data.datasets.imagenet_vid_categories import VAL_BOXES_PER_CLASS, VAL_VIDEOS
from ....errors import InputError
from ....files import write_json
from ....parallel import in_processes
from .coco_vid import CocoVidBuilder, summary
from .ilsvrc import (
    BOX_RULES,
    XmlFrame,
    another_list,
    categories,
    check_tree,
    list_file,
    read_rows,
    read_xml,
)

TRAIN_LIST, VAL_LIST = "VID_train_15frames.txt", "VID_val_videos.txt"
KEY_FRAMES = 15  # per training video


@dataclass(frozen=True)
class Video:
    """A snippet: its name below Data/VID ("train/.../<snippet>"), frames and key frames."""

    name: str
    length: int
    keys: frozenset[int]


def convert_imagenet_vid(root: Path, output: Path, *, box_rule: str = "inclusive") -> list[Path]:
    """Write ``imagenet_vid_train.json`` and ``imagenet_vid_val.json``.

    A split that the tree does not have is left out. ``box_rule`` is one of :data:`BOX_RULES`.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if the tree is not valid.
    """
    check_tree(root)
    written = []
    for split, videos_of in (("train", train_videos), ("val", val_videos)):
        if not (root / "Data/VID" / split).is_dir():
            print(f"{root}/Data/VID has no folder '{split}': that split is left out")
            continue
        if videos := videos_of(root):
            content = convert_videos(root, videos, box_rule)
            path = output / f"imagenet_vid_{split}.json"
            write_json(path, content)
            written.append(path)
            print(f"{path}: {summary(content)}")
            if split == "val" and len(videos) == VAL_VIDEOS and len(content["categories"]) == 30:
                print(compare_with_known_counts(content))
    if not written:
        raise InputError(f"{root} has no videos: there must be {root}/Data/VID/train or .../val.")
    return written


def key_frames(length: int) -> list[int]:
    """Training key frames of a video: centres of 15 equal bins; all frames of a short video."""
    if length < KEY_FRAMES:
        return list(range(length))
    return [(2 * index + 1) * length // (2 * KEY_FRAMES) for index in range(KEY_FRAMES)]


def train_videos(root: Path) -> list[Video]:
    """Training videos with the key frames of the list, or of the bin rule if there is no list.

    Rows are "<snippet> 1 <frame, from 0> <video length>".
    """
    path = list_file(root, "VID", TRAIN_LIST)
    if path is None:
        lengths = _lengths(root, "train", f"{TRAIN_LIST}: key frames are derived by its rule")
        return [Video(name, n, frozenset(key_frames(n))) for name, n in lengths.items()]
    frames: dict[str, set[int]] = defaultdict(set)
    lengths = {}
    for number, row in read_rows(path, columns=4):
        name, frame, length = row[0], int(row[2]), int(row[3])
        if row[1] != "1" or not name.startswith("train/"):
            raise another_list(
                path, number, row, "train/<snippet> 1 <frame, from 0> <video length>"
            )
        if frame >= length:
            raise InputError(
                f"{path}, row {number}: frame {frame} of a video of {length} frames; frames count "
                "from 0."
            )
        frames[name].add(frame)
        lengths[name] = length
    _check_lengths(root, path, lengths)
    return [Video(name, lengths[name], frozenset(keys)) for name, keys in frames.items()]


def val_videos(root: Path) -> list[Video]:
    """Validation videos, in the order of the list if there is one.

    Rows are "val/<snippet> <global index of the frame, from 1> <frame> <video length>". There are
    lists with a row per video (its frame 0) and lists with a row per frame.
    """
    path = list_file(root, "VID", VAL_LIST)
    if path is None:
        lengths = _lengths(root, "val", f"{VAL_LIST}: videos are ordered by name")
        return [Video(name, length, frozenset()) for name, length in lengths.items()]
    frames: dict[str, set[int]] = defaultdict(set)
    lengths = {}
    for number, row in read_rows(path, columns=4):
        name, frame, length = row[0], int(row[2]), int(row[3])
        if not name.startswith("val/") or frame >= length or lengths.get(name, length) != length:
            raise another_list(
                path, number, row, "val/<snippet> <global index> <frame, from 0> <video length>"
            )
        frames[name].add(frame)
        lengths[name] = length
    row_per_frame = any(len(numbers) > 1 for numbers in frames.values())
    for name, numbers in frames.items():
        if numbers != set(range(lengths[name] if row_per_frame else 1)):
            raise InputError(
                f"{path}: video {name} has rows for {len(numbers)} of its {lengths[name]} frames; "
                "the list must have one per video (its frame 0) or one per frame: download it "
                "again, or remove it to have it derived."
            )
    _check_lengths(root, path, lengths)
    return [Video(name, length, frozenset()) for name, length in lengths.items()]


def convert_videos(root: Path, videos: list[Video], box_rule: str) -> dict:
    """Convert videos to COCO-VID content; it lists all of their frames."""
    records = categories(root)
    names = {record["encode_name"]: record["name"] for record in records}
    builder = CocoVidBuilder(
        {"description": f"from {root.name}, ILSVRC layout", "box_rule": box_rule}, records
    )
    flat = 0
    parsed = in_processes(partial(_read_video, root, BOX_RULES[box_rule]), videos, what="video")
    for video, frames in zip(videos, parsed, strict=True):
        video_id = builder.add_video(video.name)
        for frame_id, frame in enumerate(frames):
            image_id = builder.add_frame(
                *(video_id, frame_id, frame.size),
                file_name=f"{video.name}/{frame_id:06d}.JPEG",
                is_vid_train_frame=frame_id in video.keys,
            )
            for item in frame.objects:
                if item["name"] not in names:
                    raise InputError(
                        f"{root}/Annotations/VID/{video.name}/{frame_id:06d}.xml has an object "
                        f"of class '{item['name']}', which is not one of the {len(names)}: correct "
                        "it."
                    )
                if min(item["bbox"][2:]) <= 0:  # a line of pixels has no area by the short rule
                    flat += 1
                    continue
                builder.add_box(
                    *(image_id, names[item["name"]], item["bbox"]),
                    track=item["track"],
                    occluded=item["occluded"],
                    generated=item["generated"],
                )
    if flat:
        print(f"{root}: {flat} boxes without area were left out")
    return builder.content


def compare_with_known_counts(content: dict) -> str:
    """Compare the boxes of the full val set, class by class, with their known counts."""
    found = Counter(annotation["category_id"] for annotation in content["annotations"])
    differences = [
        f"{category['name']} {found[category['id']]} instead of {known}"
        for category, known in zip(content["categories"], VAL_BOXES_PER_CLASS, strict=True)
        if found[category["id"]] != known
    ]
    if differences:
        return f"these classes differ from the known counts of val: {', '.join(differences)}"
    return f"all {sum(VAL_BOXES_PER_CLASS)} boxes agree, class by class, with the known counts"


def _check_lengths(root: Path, path: Path, listed: dict[str, int]) -> None:
    for name, length in listed.items():
        if _length(root, name) != length:
            raise InputError(
                f"{path}: video {name} has {length} frames there and {_length(root, name)} in "
                f"{root}/Data/VID/{name}: download all of its frames."
            )


def _lengths(root: Path, split: str, missing_list: str) -> dict[str, int]:
    """Lengths of the videos in the folders below Data/VID/<split>, sorted by name."""
    base = root / "Data/VID"
    names = sorted(
        Path(folder).relative_to(base).as_posix()
        for folder, _, files in os.walk(base / split)
        if any(file.endswith(".JPEG") for file in files)
    )
    if names:
        print(f"{root} has no {missing_list}")
    return {name: _length(root, name) for name in names}


def _length(root: Path, name: str) -> int:
    """Number of frames of a video, 000000.JPEG, 000001.JPEG, ..."""
    folder = root / "Data/VID" / name
    frames = {path.name for path in folder.glob("*.JPEG")}
    if not frames:
        raise InputError(f"{folder} has no frames (NNNNNN.JPEG): download video {name} again.")
    missing = next((i for i in range(len(frames)) if f"{i:06d}.JPEG" not in frames), None)
    if missing is not None:
        raise InputError(
            f"{folder} has {len(frames)} frames but no {missing:06d}.JPEG: download it again."
        )
    return len(frames)


def _read_video(root: Path, added: int, video: Video) -> list[XmlFrame]:
    folder = root / "Annotations/VID" / video.name
    return [read_xml(folder / f"{index:06d}.xml", added) for index in range(video.length)]
