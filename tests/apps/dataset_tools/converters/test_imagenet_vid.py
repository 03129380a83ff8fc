import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import (
    compare_with_known_counts,
    convert_imagenet_vid,
    key_frames,
)
from boxmask_vid.apps.dataset_tools.synthetic import CLASS_NAMES, make_synthetic_vid
from boxmask_vid.data import load_vid_json
from boxmask_vid.data.datasets.imagenet_vid_categories import VAL_BOXES_PER_CLASS
from support.ilsvrc import OBJECT, assert_refused, write_list, write_tree
from support.paths import REPOSITORY


def convert(root: Path, **kwargs) -> dict[str, dict]:
    written = convert_imagenet_vid(root, root / "out", **kwargs)
    return {path.stem: json.loads(path.read_text()) for path in written}


def test_synthetic_tree_round_trip(tmp_path):
    make_synthetic_vid(tmp_path, videos=4, frames=20, seed=1)
    content = convert(tmp_path)
    train, val = content["imagenet_vid_train"], content["imagenet_vid_val"]
    assert [category["name"] for category in train["categories"]] == list(CLASS_NAMES)
    assert (len(train["videos"]), len(train["images"])) == (3, 60)
    assert sum(image["is_vid_train_frame"] for image in train["images"]) == 45
    assert (len(val["videos"]), len(val["images"])) == (1, 20)
    assert not any(image["is_vid_train_frame"] for image in val["images"])
    path = str(tmp_path / "out/imagenet_vid_train.json")
    records = load_vid_json(path, str(tmp_path / "Data/VID"))
    assert len(records) == 45
    assert all(Path(record["file_name"]).is_file() for record in records)


def test_key_frames_are_the_centres_of_15_bins():
    assert key_frames(30) == list(range(1, 30, 2))
    assert key_frames(300) == list(range(10, 300, 20))
    assert key_frames(14) == list(range(14))
    assert key_frames(15) == list(range(15))
    assert key_frames(25) == [(2 * i + 1) * 25 // 30 for i in range(15)]


def test_the_frame_column_counts_from_zero(tmp_path):
    write_tree(tmp_path, {"train/a/s": 3})
    write_list(tmp_path, "VID_train_15frames.txt", "train/a/s 1 0 3", "train/a/s 1 2 3")
    images = convert(tmp_path)["imagenet_vid_train"]["images"]
    assert [image["is_vid_train_frame"] for image in images] == [True, False, True]
    assert [image["frame_id"] for image in images] == [0, 1, 2]
    assert images[2]["file_name"] == "train/a/s/000002.JPEG"


@pytest.mark.parametrize(("rule", "size"), [("inclusive", (10, 20)), ("short", (9, 19))])
def test_box_rule_is_an_option_and_recorded(tmp_path, rule: str, size: tuple):
    write_tree(tmp_path, {"val/s": 1}, OBJECT.format(track=3, name="n02084071"))
    content = convert(tmp_path, box_rule=rule)["imagenet_vid_val"]
    (annotation,) = content["annotations"]
    assert annotation["bbox"] == [11, 16, *size]
    assert annotation["area"] == size[0] * size[1]
    assert annotation["category_id"] == 9
    assert content["categories"][8]["name"] == "dog"
    assert annotation["occluded"] == 1
    assert content["info"]["box_rule"] == rule


def test_tracks_are_unique_in_the_file(tmp_path):
    write_tree(tmp_path, {"val/a": 2, "val/b": 1}, OBJECT.format(track=0, name="n02084071"))
    annotations = convert(tmp_path)["imagenet_vid_val"]["annotations"]
    assert [annotation["instance_id"] for annotation in annotations] == [1, 1, 2]
    assert len({annotation["id"] for annotation in annotations}) == 3


def test_lists_below_image_sets_vid_are_found(tmp_path):
    write_tree(tmp_path, {"val/b": 1, "val/a": 2})
    (tmp_path / "ImageSets/VID").mkdir(parents=True)
    (tmp_path / "ImageSets/VID/VID_val_videos.txt").write_text("val/b 1 0 1\nval/a 2 0 2\n")
    content = convert(tmp_path)["imagenet_vid_val"]
    assert [video["name"] for video in content["videos"]] == ["val/b", "val/a"]


@pytest.mark.parametrize(
    "rows",
    [
        ["val/b 1 0 1", "val/a 2 0 2"],
        ["val/b 1 0 1", "val/a 2 0 2", "val/a 3 1 2"],
        ["val/b 1 0 1", "val/b 1 0 1", "val/a 2 0 2"],
    ],
    ids=["a row a video", "a row a frame", "a row repeated"],
)
def test_both_dialects_of_the_val_list(tmp_path, rows):
    write_tree(tmp_path, {"val/b": 1, "val/a": 2})
    write_list(tmp_path, "VID_val_videos.txt", *rows)
    content = convert(tmp_path)["imagenet_vid_val"]
    assert [video["name"] for video in content["videos"]] == ["val/b", "val/a"]
    assert len(content["images"]) == 3


def test_the_full_val_set_is_compared_with_its_known_counts():
    categories = [{"id": index, "name": f"c{index}"} for index in range(1, 31)]
    annotations = [
        {"category_id": index}
        for index, count in enumerate(VAL_BOXES_PER_CLASS, start=1)
        for _ in range(count)
    ]
    content = {"categories": categories, "annotations": annotations}
    assert len(annotations) == 273505
    assert compare_with_known_counts(content).startswith("all 273505 boxes agree, class by class")
    annotations.pop()
    assert compare_with_known_counts(content).endswith("of val: c30 6909 instead of 6910")


def test_a_missing_list_is_derived_and_that_is_said(tmp_path, capsys):
    write_tree(tmp_path, {"train/a/s": 40})
    images = convert(tmp_path)["imagenet_vid_train"]["images"]
    assert [i for i, image in enumerate(images) if image["is_vid_train_frame"]] == key_frames(40)
    assert "key frames are derived by its rule" in capsys.readouterr().out


def test_a_split_that_is_not_there_is_left_out_and_that_is_said(tmp_path, capsys):
    write_tree(tmp_path, {"val/s": 2})
    write_list(tmp_path, "VID_train_15frames.txt", "train/a/s 1 0 4")  # as the archives have it
    assert set(convert(tmp_path)) == {"imagenet_vid_val"}
    assert "has no folder 'train': that split is left out" in capsys.readouterr().out


def test_boxes_that_have_no_area_by_the_short_rule_are_left_out(tmp_path, capsys):
    line = OBJECT.replace("<xmax>20", "<xmax>11").format(track=0, name="n02691156")
    whole = OBJECT.format(track=1, name="n02691156")
    write_tree(tmp_path, {"val/s": 1}, line + whole)
    assert len(convert(tmp_path)["imagenet_vid_val"]["annotations"]) == 2
    assert len(convert(tmp_path, box_rule="short")["imagenet_vid_val"]["annotations"]) == 1
    assert "1 boxes without area were left out" in capsys.readouterr().out


def broken_length(root: Path) -> None:
    write_tree(root, {"train/a/s": 3})
    write_list(root, "VID_train_15frames.txt", "train/a/s 1 0 4")


def frame_beyond(root: Path) -> None:
    write_tree(root, {"train/a/s": 3})
    write_list(root, "VID_train_15frames.txt", "train/a/s 1 3 3")


def other_columns(root: Path) -> None:
    write_tree(root, {"train/a/s": 3})
    write_list(root, "VID_train_15frames.txt", "train/a/s 1 0 3", "train/a/s 1")


def gap(root: Path) -> None:
    write_tree(root, {"val/s": 3})
    (root / "Data/VID/val/s/000001.JPEG").unlink()


def no_xml(root: Path) -> None:
    write_tree(root, {"val/s": 2})
    (root / "Annotations/VID/val/s/000001.xml").unlink()


def not_xml(root: Path) -> None:
    write_tree(root, {"val/s": 1})
    (root / "Annotations/VID/val/s/000000.xml").write_text("<annotation>")


def unknown_class(root: Path) -> None:
    write_tree(root, {"val/s": 1}, OBJECT.format(track=0, name="n00000001"))


def no_images(root: Path) -> None:
    write_tree(root, {"val/s": 1})
    write_list(root, "VID_val_videos.txt", "val/t 1 0 5")


def nothing(root: Path) -> None:
    root.mkdir(exist_ok=True)


def no_videos(root: Path) -> None:
    for name in ("Data/VID/train", "Annotations/VID"):
        (root / name).mkdir(parents=True)


def a_val_list_for_training(root: Path) -> None:
    write_tree(root, {"train/a/s": 2})
    write_list(root, "VID_train_15frames.txt", "val/s 1 0 2")


def a_train_list_for_val(root: Path) -> None:
    write_tree(root, {"val/s": 2})
    write_list(root, "VID_val_videos.txt", "train/a/s 1 0 2")


def half_a_list_of_frames(root: Path) -> None:
    write_tree(root, {"val/s": 3})
    write_list(root, "VID_val_videos.txt", "val/s 1 0 3", "val/s 2 1 3")


def an_empty_list(root: Path) -> None:
    write_tree(root, {"val/s": 3})
    write_list(root, "VID_val_videos.txt", "")


def a_list_that_is_no_text(root: Path) -> None:
    write_tree(root, {"val/s": 3})
    write_list(root, "VID_val_videos.txt")
    (root / "ImageSets/VID_val_videos.txt").write_bytes(b"val/s \xff\xfe 0 3")


def corners_in_disorder(root: Path) -> None:
    swapped = OBJECT.replace("<xmax>20", "<xmax>2").format(track=0, name="n02691156")
    write_tree(root, {"val/s": 1}, swapped)


BROKEN = {
    broken_length: r"video train/a/s has 4 frames there and 3 in",
    frame_beyond: r"VID_train_15frames.txt, row 1: frame 3 of a video of 3 frames",
    other_columns: r"VID_train_15frames.txt, row 2: 'train/a/s 1' is not a name and 3 numbers",
    gap: r"has 2 frames but no 000001.JPEG",
    no_xml: r"Annotation .*000001.xml not found",
    not_xml: r"000000.xml is not an annotation of ILSVRC",
    unknown_class: r"000000.xml has an object of class 'n00000001', which is not one of the 30",
    no_images: r"val/t has no frames",
    nothing: r"has no folder 'Data': give the root of the ILSVRC tree",
    no_videos: r"has no videos: there must be",
    a_val_list_for_training: r"row 1: 'val/s 1 0 2' is not 'train/<snippet> 1 <frame, from 0>",
    a_train_list_for_val: r"row 1: 'train/a/s 1 0 2' is not 'val/<snippet> <global index> <frame",
    half_a_list_of_frames: r"video val/s has rows for 2 of its 3 frames",
    an_empty_list: r"VID_val_videos.txt is empty",
    a_list_that_is_no_text: r"VID_val_videos.txt is not text",
    corners_in_disorder: r"000000.xml is not an annotation of ILSVRC \(an object's corners are",
}


@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__)
def test_bad_trees_get_one_clear_sentence_and_leave_no_file(tmp_path, make):
    make(tmp_path)
    assert_refused(convert, tmp_path, BROKEN[make])


@pytest.mark.slow
def test_script_prints_the_sentence_without_a_traceback(tmp_path):
    gap(tmp_path)
    script = REPOSITORY / "datasets/prepare_imagenet_vid.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "--output", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"^error: .*has 2 frames but no 000001.JPEG", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


@pytest.mark.needs_shared
def test_real_clips_in_the_ilsvrc_layout(shared, tmp_path):
    root = shared / "data/ilsvrc_sample"
    written = convert_imagenet_vid(root, tmp_path)
    train, val = (json.loads(path.read_text()) for path in written)
    names = [video["name"] for video in train["videos"]]
    assert [len(train["videos"]), len(val["videos"])] == [4, 2]
    rows = (root / "ImageSets/VID_train_15frames.txt").read_text().splitlines()
    marked = {
        f"{names[image['video_id'] - 1]} 1 {image['frame_id']}"
        for image in train["images"]
        if image["is_vid_train_frame"]
    }
    assert marked == {row.rsplit(" ", 1)[0] for row in rows}
    counts = [len(train["annotations"]), len(val["annotations"])]
    assert counts == [113, 64]
    # the same clips are in the COCO-VID JSON beside them, with fractional boxes
    mini = json.loads((shared / "data/mini_vid/instances_val.json").read_text())
    video = next(video["id"] for video in mini["videos"] if video["name"] == "halmstad_V_BIRD_021")
    expected = [a["bbox"] for a in mini["annotations"] if a["video_id"] == video]
    ours = [a["bbox"] for a in val["annotations"] if a["video_id"] == 1]
    for box, other in zip(ours, expected, strict=True):
        assert max(abs(a - b) for a, b in zip(box, other, strict=True)) <= 1.5
