import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.apps.dataset_tools.synthetic import (
    CLASS_NAMES,
    HEIGHT,
    WIDTH,
    Scene,
    make_synthetic_vid,
    render_video,
)
from boxmask_vid.errors import InputError
from support.paths import REPOSITORY


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_the_script_writes_the_ilsvrc_layout_and_the_seed_decides_everything(tmp_path):
    script = str(REPOSITORY / "datasets/make_synthetic_vid.py")
    for folder, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        command = [sys.executable, script, str(tmp_path / folder)]
        done = subprocess.run(
            [*command, "--videos", "4", "--frames", "3", "--seed", seed],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"look at {tmp_path / folder / 'contact_sheet.png'}" in done.stdout
    a, b, c = (files(tmp_path / folder) for folder in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert a != c
    frames = [name for name in a if name.endswith(".JPEG")]
    assert len(frames) == 12
    assert {
        name.replace("Data", "Annotations").replace("JPEG", "xml") for name in frames
    } <= a.keys()
    assert "ImageSets/VID_train_15frames.txt" in a
    train = (tmp_path / "a/ImageSets/VID_train_15frames.txt").read_text().splitlines()
    assert train[:2] == [
        "train/ILSVRC2015_VID_train_0000/synthetic_train_00000 1 0 3",
        "train/ILSVRC2015_VID_train_0000/synthetic_train_00000 1 1 3",
    ]
    val = (tmp_path / "a/ImageSets/VID_val_videos.txt").read_text()
    assert val == "val/synthetic_val_00000 1 0 3\n"


def test_boxes_enclose_their_objects(tmp_path):
    make_synthetic_vid(tmp_path, videos=2, frames=4, seed=0)
    for path in tmp_path.rglob("*.xml"):
        tree = ElementTree.parse(path)
        for node in tree.iter("object"):
            x1, y1, x2, y2 = (
                int(node.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax")
            )
            assert 0 <= x1 < x2 < WIDTH
            assert 0 <= y1 < y2 < HEIGHT
            assert node.findtext("occluded") in "01"
            assert node.findtext("trackid").isdigit()


def test_every_class_occurs_and_objects_move_and_grow():
    labels = set()
    moved = 0
    for index in range(len(CLASS_NAMES)):
        tracks: dict[int, list[tuple]] = {}
        for _, objects in render_video(Scene(frames=12, degradation=1), (0, index)):
            for item in objects:
                labels.add(item.label)
                tracks.setdefault(item.track, []).append(item.box)
        moved += sum(np.ptp(np.array(boxes)[:, 0]) > 5 for boxes in tracks.values())
    assert labels == set(range(len(CLASS_NAMES)))
    assert moved >= len(CLASS_NAMES)


def test_degradation_spoils_some_frames_of_the_same_scene():
    def frames(degradation: float) -> list[np.ndarray]:
        return [f for i in range(4) for f, _ in render_video(Scene(10, degradation), (1, i))]

    clean, usual, worse = frames(0), frames(1), frames(1.6)

    def spoilt(given: list[np.ndarray]) -> int:
        pairs = zip(clean, given, strict=True)
        return sum(np.abs(a.astype(int) - b).mean() > 4 for a, b in pairs)

    assert 10 <= spoilt(usual) <= 30  # of 40
    assert spoilt(worse) > spoilt(usual)
    boxes = [
        [[item.box for item in objects] for _, objects in render_video(Scene(10, d), (1, 0))]
        for d in (0, 1.6)
    ]
    assert boxes[0] == boxes[1]


def test_numbers_that_cannot_be(tmp_path):
    for wrong in ({"videos": 1}, {"frames": 0}, {"degradation": -1.0}, {"val_videos": 4}):
        given = {"videos": 4, "frames": 2, "seed": 0, **wrong}
        with pytest.raises(InputError, match="give at least a video for training"):
            make_synthetic_vid(tmp_path, **given)
