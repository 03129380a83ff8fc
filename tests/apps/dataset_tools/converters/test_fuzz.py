"""Files that are broken in thousands of ways get one sentence, or are read; nothing else."""

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json
from boxmask_vid.apps.dataset_tools.checks import check_content
from boxmask_vid.apps.dataset_tools.converters.convert import FORMATS, convert_to_coco_vid
from boxmask_vid.apps.dataset_tools.converters.ilsvrc import categories, read_xml
from boxmask_vid.apps.dataset_tools.converters.imagenet_det import listed_images
from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import train_videos, val_videos
from boxmask_vid.data import load_vid_json
from boxmask_vid.errors import InputError
from boxmask_vid.files import read_json
from support.annotation_formats import IMAGES, WRITERS, write_images
from support.ilsvrc import OBJECT, XML, write_list, write_tree

MUTATIONS = 2000
# errors that --fix leaves to people, in what can be loaded
NOT_FIXED = {
    "no boxes",
    "tracks that change class",
    "tracks twice on a frame",
}
WHOLE = 10  # every so many of them go through the whole conversion
TOKENS = [
    *(b"", b"0", b"-1", b"1e999", b"NaN", b"null", b"None", b"1" * 30, b"9" * 5000, b"true", b"[]"),
    *(b"{}", b'""', b"<", b">", b"&", b"]", b",", b"\n", b"\x00", b"\xff\xfe", b"\xf0\x9f\x98\x80"),
    *(b"<!DOCTYPE x>", b"[" * 3000, b"0.5", b"\r", b"#", b'"', b"\xef\xbb\xbf", b"\xc2\xb2"),
]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where that is possible: thousands of files are written."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def mutate(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice((0, 1, 1, 2, 5, 40)))
        kind = rng.random()
        if kind < 0.2:
            data = data[:start] + bytes([rng.randrange(256)]) + data[end:]
        elif kind < 0.4:
            data = data[:start] + data[end:]
        elif kind < 0.5:
            data = data[:start] + data[start:end] * 2 + data[end:]
        elif kind < 0.55:
            data = data[:start]
        else:
            data = data[:start] + rng.choice(TOKENS) + data[end:]
    return data


def fuzz(paths: list[Path], read: Callable[[int], object], seed: int) -> tuple[int, int]:
    """Read mutated files; how many were read and how many refused."""
    rng = random.Random(seed)
    originals = {path: path.read_bytes() for path in paths}
    read_well, refused = 0, 0
    for turn in range(MUTATIONS):
        path = rng.choice(paths)
        path.write_bytes(mutate(originals[path], rng))
        sentence = None
        try:
            read(turn)
        except (InputError, FileNotFoundError) as error:
            sentence = str(error)
        if sentence is None:
            read_well += 1
        else:
            refused += 1
            assert "\n" not in sentence, repr(sentence)
            assert len(sentence) < 2000
        path.write_bytes(originals[path])
    return read_well, refused


@pytest.mark.parametrize("format", FORMATS)
def test_annotation_formats(tmp_path, format):
    source = WRITERS[format](tmp_path / "labels") if format in ("mot", "voc", "yolo") else None
    source = source or WRITERS[format](tmp_path)
    write_images(tmp_path / "media", IMAGES.get(format, "{video}/{index:06d}.jpg"))
    kinds = ("*.json", "*.xml", "*.txt", "*.ini", "*.csv", "*.yaml")
    paths = [path for kind in kinds for path in sorted(tmp_path.rglob(kind))]

    def read(turn: int) -> None:
        if turn % WHOLE:
            FORMATS[format](source)
        else:
            output = tmp_path / "out/out.json"
            root = convert_to_coco_vid(source, output, format=format, root=tmp_path / "media")
            assert load_vid_json(str(output), str(root))
            shutil.rmtree(output.parent)

    read_well, refused = fuzz(paths, read, seed=1)
    assert min(read_well, refused) > MUTATIONS // 50, (read_well, refused)


ILSVRC_FILES = {
    "ImageSets/VID_train_15frames.txt": train_videos,
    "ImageSets/VID_val_videos.txt": val_videos,
    "ImageSets/DET_train_30classes.txt": listed_images,
    "devkit/data/map_vid.txt": categories,
    "Annotations/VID/val/s/000000.xml": lambda root: read_xml(
        root / "Annotations/VID/val/s/000000.xml", 1
    ),
}


@pytest.mark.parametrize("name", ILSVRC_FILES)
def test_files_of_ilsvrc(tmp_path, name):
    write_tree(tmp_path, {"train/a/s": 3, "val/s": 3}, OBJECT.format(track=0, name="n02691156"))
    write_list(tmp_path, "VID_train_15frames.txt", *[f"train/a/s 1 {i} 3" for i in range(3)])
    write_list(tmp_path, "VID_val_videos.txt", *[f"val/s {i + 1} {i} 3" for i in range(3)])
    write_list(tmp_path, "DET_train_30classes.txt", "train/x/a 1", "train/x/b 1")
    (tmp_path / "devkit/data").mkdir(parents=True)
    (tmp_path / "devkit/data/map_vid.txt").write_text("n02691156 1 airplane\nn02084071 2 dog\n")
    assert XML.startswith("<annotation>")
    read_well, refused = fuzz([tmp_path / name], lambda _: ILSVRC_FILES[name](tmp_path), seed=2)
    assert min(read_well, refused) > MUTATIONS // 50, (read_well, refused)


@pytest.fixture
def coco_vid(tmp_path) -> Path:
    content = {
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "videos": [{"id": 7, "name": "a"}, {"id": 9, "name": "b", "file_name": "b.mp4"}],
        "images": [
            {"id": 1, "video_id": 7, "frame_id": 0, "file_name": "a/0", "width": 64, "height": 48},
            {"id": 2, "video_id": 7, "frame_id": 1, "file_name": "a/1", "width": 64, "height": 48},
            {"id": 4, "video_id": 9, "frame_id": 0, "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "instance_id": 4, "bbox": [1, 2, 30, 40]},
            {"id": 2, "image_id": 4, "category_id": 5, "bbox": [1.5, 2, 3, 4], "iscrowd": 0},
        ],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    return path


def test_coco_vid_json(coco_vid):
    read_well, refused = fuzz([coco_vid], lambda _: load_vid_json(str(coco_vid), "."), seed=3)
    assert min(read_well, refused) > MUTATIONS // 50, (read_well, refused)


def test_any_json_is_checked_and_fixed(coco_vid, tmp_path):
    fixed = tmp_path / "fixed/a.json"

    def check_and_fix(_: int) -> None:
        fixed.unlink(missing_ok=True)
        is_valid = check_vid_json(coco_vid, images=None, fixed=fixed)
        if not fixed.exists():
            assert not is_valid
            raise InputError("nothing was written")
        assert load_vid_json(str(fixed), ".")
        left = check_content(read_json(fixed)).findings.values()
        errors = {item.check for item in left if item.count and item.severity == "error"}
        assert errors <= NOT_FIXED, errors
        assert is_valid == (not errors)

    read_well, refused = fuzz([coco_vid], check_and_fix, seed=4)
    assert min(read_well, refused) > MUTATIONS // 50, (read_well, refused)
