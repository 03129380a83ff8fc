"""Synthetic data of the ablation, version 2: fixed videos, checked by their annotations.

Training videos are the usual mixture of clean and degraded frames (strength 1). The test videos are
rendered several times, with degradations of different strengths and the same objects. Key frames of
the test are those that are degraded: "degraded" shows them with strength 1.5 (1 in version 1),
"clean" without any degradation, each with references from the same rendering.
"""

from __future__ import annotations

import filecmp
from pathlib import Path

from ...checkpoint.provenance import sha256
from ...errors import InputError
from ...files import read_json, write_json
from ..commands import Command, synthetic_vid_commands

VERSION = 2
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)
DEGRADED = 1.5  # strength of the split of that name
TRAIN = {"seed": 20, "videos": 508, "val_videos": 8, "frames": 8, "val_frames": 8}
TEST = {"seed": 21, "videos": 25, "val_videos": 24, "frames": 28, "val_frames": 28}
EVERY = 3  # every third frame is a key frame in the sweep of strengths
SHA256 = {  # first half of each digest
    "train/coco_vid/imagenet_vid_train.json": "aced86a082cb33225d07c8956f6eee8b",
    "train/coco_vid/imagenet_vid_val.json": "6125f08e3e3045d1b257145c44126e22",
    "test_1.0/coco_vid/imagenet_vid_val.json": "31560cb8fba8021576c80accee9a4ab9",
    "degraded_frames.json": "9fe2ea8477ba67ddafa98036002a8234",
}


def generation_commands(repository: Path, root: Path) -> dict[Path, dict[str, Command]]:
    """Commands that generate the videos: for each tree, titles and commands."""
    trees = {root / "train": synthetic_vid_commands(repository, root / "train", **TRAIN)}
    for strength in STRENGTHS:
        tree = root / f"test_{strength}"
        trees[tree] = synthetic_vid_commands(repository, tree, **TEST, degradation=strength)
    return trees


def write_key_frames(root: Path) -> None:
    """Annotations of the test videos with the key frames of the splits."""
    test = root / "test_1.0"
    content = read_json(test / "coco_vid/imagenet_vid_val.json")
    for image in content["images"]:
        name = f"Data/VID/{image['file_name']}"
        same = filecmp.cmp(test / name, root / "test_0.0" / name, shallow=False)
        image["is_vid_train_frame"] = not same
    write_json(root / "degraded_frames.json", content)
    for image in content["images"]:
        image["is_vid_train_frame"] = image["frame_id"] % EVERY == 0
    write_json(root / "some_frames.json", content)


def check_annotations(root: Path, expected: dict[str, str] = SHA256) -> None:
    """Raise InputError if the annotations differ from those of this version."""
    for name, digest in expected.items():
        found = sha256(str(root / name))[: len(digest)]
        if found != digest:
            raise InputError(
                f"{root / name} has SHA-256 {found}..., not {digest}... as in version {VERSION} of "
                "the synthetic data: its videos were cut off or drawn by another version of NumPy "
                "or OpenCV; remove the folder, and install the versions of constraints.txt."
            )


def registered(root: Path) -> tuple[tuple[str, Path, Path], ...]:
    """Names, annotations and image folders of the splits."""
    train, test = root / "train", "coco_vid/imagenet_vid_val.json"
    images = {strength: root / f"test_{strength}/Data/VID" for strength in STRENGTHS}
    degraded, some = root / "degraded_frames.json", root / "some_frames.json"
    return (
        ("ablation_train", train / "coco_vid/imagenet_vid_train.json", train / "Data/VID"),
        ("ablation_val", train / test, train / "Data/VID"),
        ("clean", degraded, images[0.0]),
        ("degraded", degraded, images[DEGRADED]),
        ("degraded_videos", root / "test_1.0" / test, images[DEGRADED]),
        *((f"strength_{strength}", some, images[strength]) for strength in STRENGTHS),
    )
