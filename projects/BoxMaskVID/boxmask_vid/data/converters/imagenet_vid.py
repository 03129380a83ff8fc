"""ImageNet VID (ILSVRC2015 layout) to COCO-VID JSON; see datasets/README.md for the tree."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from ...errors import BadInput
from ...parallel import in_processes
from ..datasets.imagenet_vid_categories import WORDNET_ID_TO_NAME
from .json_file import write_json

KEY_FRAMES = 15  # of a training video
# Pixels added to xmax - xmin and ymax - ymin. Corners in the XML are the first and last pixel of an
# object, so boxes of rule "inclusive" have its true size; published COCO-style AP was measured with
# "short" boxes.
BOX_RULES = {"inclusive": 1, "short": 0}


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
        BadInput: if the tree is not what it should be.
    """
    names = class_names(root)
    written = []
    for split, videos_of in (("train", train_videos), ("val", val_videos)):
        if not (root / "Data/VID" / split).is_dir():
            print(f"{root}/Data/VID has no folder '{split}': that split is left out")
            continue
        if videos := videos_of(root):
            content = convert_videos(root, videos, names, box_rule)
            path = output / f"imagenet_vid_{split}.json"
            write_json(path, content)
            written.append(path)
            print(f"{path}: {summary(content)}")
    if not written:
        raise BadInput(f"{root} has no videos: there must be {root}/Data/VID/train or .../val.")
    return written


def class_names(root: Path) -> dict[str, str]:
    """WordNet id -> name, in the order of category ids, from the devkit if the tree has one."""
    path = root / "devkit/data/map_vid.txt"
    if not path.is_file():
        return WORDNET_ID_TO_NAME
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if any(len(row) != 3 or not row[1].isdigit() for row in rows):
        raise BadInput(f"{path}: every row must be '<WordNet id> <number> <name>'.")
    return {wordnet_id: name for wordnet_id, _, name in sorted(rows, key=lambda row: int(row[1]))}


def key_frames(length: int) -> list[int]:
    """The training key frames of a video: centres of 15 equal bins; all frames if it is short."""
    if length < KEY_FRAMES:
        return list(range(length))
    return [(2 * index + 1) * length // (2 * KEY_FRAMES) for index in range(KEY_FRAMES)]


def train_videos(root: Path) -> list[Video]:
    """Training videos with the key frames of the list, or of the bin rule if there is no list.

    Rows are "<snippet> 1 <frame, from 0> <video length>".
    """
    path = _list_file(root, "VID_train_15frames.txt")
    if path is None:
        names = _snippets(root, "train")
        if names:
            print(f"{root} has no VID_train_15frames.txt: key frames are derived by its rule")
        lengths = {name: _length(root, name) for name in names}
        return [Video(name, n, frozenset(key_frames(n))) for name, n in lengths.items()]
    keys: dict[str, set[int]] = {}
    listed_lengths = {}
    for number, row in _rows(path, columns=4):
        name, frame, length = row[0], int(row[2]), int(row[3])
        if not 0 <= frame < length:
            raise BadInput(
                f"{path}, row {number}: frame {frame} of a video of {length} frames; frames count "
                "from 0."
            )
        keys.setdefault(name, set()).add(frame)
        listed_lengths[name] = length
    for name, length in listed_lengths.items():
        if _length(root, name) != length:
            raise BadInput(
                f"{path}: video {name} has {length} frames there and {_length(root, name)} in "
                f"{root}/Data/VID/{name}: bring all its frames."
            )
    return [Video(name, listed_lengths[name], frozenset(frames)) for name, frames in keys.items()]


def val_videos(root: Path) -> list[Video]:
    """Validation videos, in the order of the list if there is one."""
    path = _list_file(root, "VID_val_videos.txt")
    if path is None:
        names = _snippets(root, "val")
    else:
        names = list(dict.fromkeys(row[0] for _, row in _rows(path, columns=4)))
    return [Video(name, _length(root, name), frozenset()) for name in names]


def convert_videos(root: Path, videos: list[Video], names: dict[str, str], box_rule: str) -> dict:
    """COCO-VID content of some videos; every frame of theirs is listed."""
    categories = {wordnet_id: index for index, wordnet_id in enumerate(names, start=1)}
    content = {
        "info": {"description": f"from {root.name}, ILSVRC layout", "box_rule": box_rule},
        "categories": [
            {"id": index, "name": names[wordnet_id], "encode_name": wordnet_id}
            for wordnet_id, index in categories.items()
        ],
        "videos": [],
        "images": [],
        "annotations": [],
    }
    tracks: dict[tuple[int, str], int] = {}
    flat = 0
    jobs = [(root, video, BOX_RULES[box_rule]) for video in videos]
    parsed = in_processes(_read_video, jobs, what="video")
    for video_id, (video, frames) in enumerate(zip(videos, parsed, strict=True), start=1):
        content["videos"].append({"id": video_id, "name": video.name})
        for frame_id, frame in enumerate(frames):
            image = {
                "id": len(content["images"]) + 1,
                "video_id": video_id,
                "frame_id": frame_id,
                "file_name": f"{video.name}/{frame_id:06d}.JPEG",
                "width": frame["width"],
                "height": frame["height"],
                "is_vid_train_frame": frame_id in video.keys,
            }
            content["images"].append(image)
            for each in frame["objects"]:
                if each["name"] not in categories:
                    raise BadInput(
                        f"{root}/Annotations/VID/{video.name}/{frame_id:06d}.xml has an object "
                        f"of class '{each['name']}', which is none of the {len(categories)}."
                    )
                if min(each["bbox"][2:]) <= 0:  # a line of pixels has no area by the short rule
                    flat += 1
                    continue
                track = tracks.setdefault((video_id, each["track"]), len(tracks) + 1)
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": image["id"],
                        "video_id": video_id,
                        "category_id": categories[each["name"]],
                        "instance_id": track,
                        "bbox": each["bbox"],
                        "area": each["bbox"][2] * each["bbox"][3],
                        "iscrowd": 0,
                        "occluded": each["occluded"],
                        "generated": each["generated"],
                    }
                )
    if flat:
        print(f"{root}: {flat} boxes without area were left out")
    return content


def summary(content: dict) -> str:
    """Counts of a COCO-VID content, and a table of its boxes by class."""
    counts = Counter(each["category_id"] for each in content["annotations"])
    keys = sum(each["is_vid_train_frame"] for each in content["images"])
    rows = [[each["name"], counts[each["id"]]] for each in content["categories"]]
    table = tabulate([*rows, ["total", sum(counts.values())]], headers=["class", "boxes"])
    head = f"{len(content['videos'])} videos, {len(content['images'])} frames, {keys} key frames"
    return f"{head}\n{table}"


def _list_file(root: Path, name: str) -> Path | None:
    places = [root / "ImageSets" / name, root / "ImageSets/VID" / name]
    return next((path for path in places if path.is_file()), None)


def _rows(path: Path, columns: int) -> list[tuple[int, list[str]]]:
    """Numbered rows of a list file."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        row = line.split()
        if not row:
            continue
        if len(row) != columns or not all(field.isdigit() for field in row[1:]):
            raise BadInput(
                f"{path}, row {number}: '{line.strip()}' is not a name and {columns - 1} numbers."
            )
        rows.append((number, row))
    return rows


def _snippets(root: Path, split: str) -> list[str]:
    """Names of the folders with frames below Data/VID/<split>, sorted."""
    base = root / "Data/VID"
    folders = {path.parent for path in (base / split).rglob("*.JPEG")}
    return sorted(folder.relative_to(base).as_posix() for folder in folders)


def _length(root: Path, name: str) -> int:
    """Number of frames of a video.

    Raises:
        BadInput: if they are not 000000.JPEG, 000001.JPEG, ...
    """
    folder = root / "Data/VID" / name
    frames = {path.name for path in folder.glob("*.JPEG")}
    if not frames:
        raise BadInput(f"{folder} has no frames (NNNNNN.JPEG): bring the images of video {name}.")
    missing = next((i for i in range(len(frames)) if f"{i:06d}.JPEG" not in frames), None)
    if missing is not None:
        raise BadInput(f"{folder} has {len(frames)} frames but no {missing:06d}.JPEG: bring it.")
    return len(frames)


def _read_video(job: tuple[Path, Video, int]) -> list[dict]:
    root, video, added = job
    folder = root / "Annotations/VID" / video.name
    return [_read_xml(folder / f"{index:06d}.xml", added) for index in range(video.length)]


def _read_xml(path: Path, added: int) -> dict:
    """Size and objects of a frame."""
    try:
        tree = ElementTree.parse(path)
        size = {side: int(tree.findtext(f"size/{side}")) for side in ("width", "height")}
        return {**size, "objects": [_read_object(node, added) for node in tree.iter("object")]}
    except FileNotFoundError as error:
        raise BadInput(f"There is no annotation {path}: bring it.") from error
    except (ElementTree.ParseError, TypeError, ValueError) as error:
        raise BadInput(
            f"{path} is not an annotation of ILSVRC ({error}): bring it anew."
        ) from error


def _read_object(node: ElementTree.Element, added: int) -> dict:
    corners = [int(node.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax")]
    x1, y1, x2, y2 = corners
    return {
        "track": node.findtext("trackid"),
        "name": node.findtext("name"),
        "bbox": [x1, y1, x2 - x1 + added, y2 - y1 + added],
        "occluded": int(node.findtext("occluded", "0")),
        "generated": int(node.findtext("generated", "0")),
    }
