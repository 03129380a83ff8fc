"""ImageNet VID (ILSVRC layout) to COCO-VID JSON; see datasets/README.md for the tree."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ....data.datasets.imagenet_vid_categories import VAL_BOXES_PER_CLASS, VAL_VIDEOS
from ....errors import InputError
from ....files import write_json
from ....parallel import in_processes
from .coco_vid import CocoVidBuilder, summary
from .ilsvrc import BOX_RULES, XmlFrame, categories, check_tree, list_file, read_rows, read_xml

KEY_FRAMES = 15  # of a training video


@dataclass(frozen=True)
class Video:
    """A snippet: its name below Data/VID ("train/.../<snippet>"), frames and key frames."""

    name: str
    length: int
    keys: frozenset[int]


def convert_imagenet_vid(root: Path, output: Path, *, box_rule: str = "inclusive") -> list[Path]:
    """Write ``imagenet_vid_train.json`` and ``imagenet_vid_val.json``.

    Args:
        root: the ILSVRC tree.
        output: folder for the files.
        box_rule: one of :data:`BOX_RULES`.

    Returns:
        the files written; a split that the tree does not have is left out.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if the tree is not what it should be.
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
    """The training key frames of a video: centres of 15 equal bins; all frames if it is short."""
    if length < KEY_FRAMES:
        return list(range(length))
    return [(2 * index + 1) * length // (2 * KEY_FRAMES) for index in range(KEY_FRAMES)]


def train_videos(root: Path) -> list[Video]:
    """Training videos with the key frames of the list, or of the bin rule if there is no list.

    Rows are "<snippet> 1 <frame, from 0> <video length>".
    """
    path = list_file(root, "VID", "VID_train_15frames.txt")
    if path is None:
        names = _snippets(root, "train")
        if names:
            print(f"{root} has no VID_train_15frames.txt: key frames are derived by its rule")
        lengths = {name: _length(root, name) for name in names}
        return [Video(name, n, frozenset(key_frames(n))) for name, n in lengths.items()]
    keys: dict[str, set[int]] = {}
    listed: dict[str, int] = {}
    for number, row in read_rows(path, columns=4):
        name, frame, length = row[0], int(row[2]), int(row[3])
        if row[1] != "1" or not name.startswith("train/"):
            raise InputError(
                f"{path}, row {number}: '{' '.join(row)}' is not 'train/<snippet> 1 <frame, from "
                "0> <video length>': it is another list, bring the right one or remove it to have "
                "it derived."
            )
        if not 0 <= frame < length:
            raise InputError(
                f"{path}, row {number}: frame {frame} of a video of {length} frames; frames count "
                "from 0."
            )
        keys.setdefault(name, set()).add(frame)
        listed[name] = length
    _check_lengths(root, path, listed)
    return [Video(name, listed[name], frozenset(frames)) for name, frames in keys.items()]


def val_videos(root: Path) -> list[Video]:
    """Validation videos, in the order of the list if there is one.

    The list has one of two dialects, both with rows "val/<snippet> <global index of the frame, from
    1> <frame> <video length>": a row for each video (its frame 0), or one for each frame.
    """
    path = list_file(root, "VID", "VID_val_videos.txt")
    if path is None:
        names = _snippets(root, "val")
        if names:
            print(f"{root} has no VID_val_videos.txt: videos are taken in the order of their names")
        return [Video(name, _length(root, name), frozenset()) for name in names]
    listed: dict[str, int] = {}
    frames: dict[str, set[int]] = {}
    for number, row in read_rows(path, columns=4):
        name, frame, length = row[0], int(row[2]), int(row[3])
        if not name.startswith("val/") or frame >= length or listed.get(name, length) != length:
            raise InputError(
                f"{path}, row {number}: '{' '.join(row)}' is not 'val/<snippet> <global index> "
                "<frame, from 0> <video length>': it is another list, bring the right one or "
                "remove it to have it derived."
            )
        frames.setdefault(name, set()).add(frame)
        listed[name] = length
    a_row_a_frame = any(len(each) > 1 for each in frames.values())
    for name, numbers in frames.items():
        expected = listed[name] if a_row_a_frame else 1
        if numbers != set(range(expected)):
            raise InputError(
                f"{path}: video {name} has rows for {len(numbers)} of its {listed[name]} frames; "
                "the list must have one for each video (its frame 0) or one for each frame: bring "
                "it anew or remove it to have it derived."
            )
    _check_lengths(root, path, listed)
    return [Video(name, length, frozenset()) for name, length in listed.items()]


def convert_videos(root: Path, videos: list[Video], box_rule: str) -> dict:
    """COCO-VID content of some videos; every frame of theirs is listed."""
    records = categories(root)
    names = {each["encode_name"]: each["name"] for each in records}
    builder = CocoVidBuilder(
        {"description": f"from {root.name}, ILSVRC layout", "box_rule": box_rule}, records
    )
    flat = 0
    jobs = [(root, video, BOX_RULES[box_rule]) for video in videos]
    parsed = in_processes(_read_video, jobs, what="video")
    for video, frames in zip(videos, parsed, strict=True):
        video_id = builder.add_video(video.name)
        for frame_id, frame in enumerate(frames):
            image_id = builder.add_frame(
                *(video_id, frame_id, frame.size),
                file_name=f"{video.name}/{frame_id:06d}.JPEG",
                is_vid_train_frame=frame_id in video.keys,
            )
            for each in frame.objects:
                if each["name"] not in names:
                    raise InputError(
                        f"{root}/Annotations/VID/{video.name}/{frame_id:06d}.xml has an object "
                        f"of class '{each['name']}', which is none of the {len(names)}."
                    )
                if min(each["bbox"][2:]) <= 0:  # a line of pixels has no area by the short rule
                    flat += 1
                    continue
                builder.add_box(
                    *(image_id, names[each["name"]], each["bbox"]),
                    track=each["track"],
                    occluded=each["occluded"],
                    generated=each["generated"],
                )
    if flat:
        print(f"{root}: {flat} boxes without area were left out")
    return builder.content


def compare_with_known_counts(content: dict) -> str:
    """How the boxes of the full val set compare with those that are known of it."""
    found = Counter(each["category_id"] for each in content["annotations"])
    differences = [
        f"{each['name']} {found[each['id']]} instead of {known}"
        for each, known in zip(content["categories"], VAL_BOXES_PER_CLASS, strict=True)
        if found[each["id"]] != known
    ]
    if differences:
        return f"these classes differ from the known counts of val: {', '.join(differences)}"
    return f"all {sum(VAL_BOXES_PER_CLASS)} boxes, class by class, as known of val"


def _check_lengths(root: Path, path: Path, listed: dict[str, int]) -> None:
    for name, length in listed.items():
        if _length(root, name) != length:
            raise InputError(
                f"{path}: video {name} has {length} frames there and {_length(root, name)} in "
                f"{root}/Data/VID/{name}: bring all its frames."
            )


def _snippets(root: Path, split: str) -> list[str]:
    """Names of the folders with frames below Data/VID/<split>, sorted."""
    base = root / "Data/VID"
    folders = (
        Path(folder)
        for folder, _, files in os.walk(base / split)
        if any(file.endswith(".JPEG") for file in files)
    )
    return sorted(folder.relative_to(base).as_posix() for folder in folders)


def _length(root: Path, name: str) -> int:
    """Number of frames of a video.

    Raises:
        InputError: if they are not 000000.JPEG, 000001.JPEG, ...
    """
    folder = root / "Data/VID" / name
    frames = {path.name for path in folder.glob("*.JPEG")}
    if not frames:
        raise InputError(f"{folder} has no frames (NNNNNN.JPEG): bring the images of video {name}.")
    missing = next((i for i in range(len(frames)) if f"{i:06d}.JPEG" not in frames), None)
    if missing is not None:
        raise InputError(f"{folder} has {len(frames)} frames but no {missing:06d}.JPEG: bring it.")
    return len(frames)


def _read_video(job: tuple[Path, Video, int]) -> list[XmlFrame]:
    root, video, added = job
    folder = root / "Annotations/VID" / video.name
    return [read_xml(folder / f"{index:06d}.xml", added) for index in range(video.length)]
