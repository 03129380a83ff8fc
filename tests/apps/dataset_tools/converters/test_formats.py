"""Every annotation format: what a test writes in it comes back, and can be trained on."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from boxmask_vid.apps.dataset_tools.converters.convert import FORMATS, convert_to_coco_vid
from boxmask_vid.data import load_vid_json, register_vid_instances
from boxmask_vid.engine import build_cfg
from boxmask_vid.engine.trainer import Trainer
from boxmask_vid.errors import InputError
from support.annotation_formats import (
    CLASSES,
    IMAGES,
    TRUTH,
    WIDTH,
    WRITERS,
    write_cvat,
    write_images,
    write_mot,
    write_videos,
    write_voc,
    write_yolo,
    write_youtube_vis,
)
from support.paths import REPOSITORY
from support.small import CONFIG, SMALLEST


def boxes_of(content: dict, *, tracks: bool = True) -> dict:
    """In the form of ``TRUTH``; tracks renumbered in each video by their first appearance."""
    names = {category["id"]: category["name"] for category in content["categories"]}
    videos = {video["id"]: video["name"] for video in content["videos"]}
    frames = {name: [] for name in videos.values()}
    places = {}
    for image in content["images"]:
        assert image["frame_id"] == len(frames[videos[image["video_id"]]])
        places[image["id"]] = []
        frames[videos[image["video_id"]]].append(places[image["id"]])
    for annotation in content["annotations"]:
        track = annotation["instance_id"] if tracks else None
        box = tuple(round(value, 6) for value in annotation["bbox"])
        places[annotation["image_id"]].append((names[annotation["category_id"]], track, *box))
    return {name: [frozenset(boxes) for boxes in given] for name, given in frames.items()}


def truth(content: dict, *, tracks: bool = True) -> dict:
    """``TRUTH`` with the tracks as they are called in a content."""
    found = boxes_of(content, tracks=tracks)
    called = {}
    for video, frames in found.items():
        for index, boxes in enumerate(frames):
            for label, track, *box in boxes:
                for name, number, *expected in TRUTH[video][index]:
                    if tracks and name == label and np.allclose(box, expected):
                        called.setdefault((video, name, number), track)
    assert len(set(called.values())) == len(called)  # unique in the file
    return {
        video: [
            frozenset(
                (name, called[video, name, number] if tracks else None, *box)
                for name, number, *box in boxes
            )
            for boxes in frames
        ]
        for video, frames in TRUTH.items()
    }


@pytest.mark.parametrize("media", ["images", "videos in place", "videos extracted"])
@pytest.mark.parametrize("format", FORMATS)
def test_round_trip_and_training(tmp_path, format, media):
    source = WRITERS[format](tmp_path)
    if media == "images":
        write_images(tmp_path / "media", IMAGES.get(format, "{video}/{index:06d}.jpg"))
    else:
        write_videos(tmp_path / "media")
    root = convert_to_coco_vid(
        source,
        tmp_path / "out.json",
        format=format,
        root=tmp_path / "media",
        video_files=media != "images",
        extract=tmp_path / "extracted" if media == "videos extracted" else None,
    )
    content = json.loads((tmp_path / "out.json").read_text())
    tracks = format != "epic-kitchens"
    assert boxes_of(content, tracks=tracks) == truth(content, tracks=tracks)
    assert [category["name"] for category in content["categories"]] == CLASSES
    records = load_vid_json(str(tmp_path / "out.json"), str(root))
    assert len(records) == 7
    train(tmp_path, root)


def train(folder: Path, root: Path) -> None:
    """Two iterations."""
    register_vid_instances("converted", {}, str(folder / "out.json"), str(root))
    try:
        options = {
            "DATASETS.TRAIN": "('converted',)",
            "DATASETS.TEST": "()",
            "MODEL.ROI_HEADS.NUM_CLASSES": 2,
            "MODEL.VID.CLASS_NAMES": "()",
            "SOLVER.IMS_PER_BATCH": 2,
            "SOLVER.MAX_ITER": 2,
            "SOLVER.STEPS": "()",
            "INPUT.MIN_SIZE_TRAIN": "(64,)",
            "INPUT.MAX_SIZE_TRAIN": 96,
            "OUTPUT_DIR": folder / "train",
        }
        opts = [str(word) for pair in options.items() for word in pair]
        trainer = Trainer(build_cfg(CONFIG, [*SMALLEST, *opts]))
        trainer.train()
        losses = trainer.storage.histories()["total_loss"].values()
        assert np.isfinite([value for value, _ in losses]).all()
    finally:
        DatasetCatalog.remove("converted")
        MetadataCatalog.remove("converted")


def convert(source: Path, format: str, **kwargs) -> dict:
    output = source.parent / "out/converted.json"
    kwargs.setdefault("root", source if source.is_dir() else source.parent)
    convert_to_coco_vid(source, output, format=format, **kwargs)
    return json.loads(output.read_text())


def test_boxes_around_masks(tmp_path):
    write_images(tmp_path)
    content = convert(write_youtube_vis(tmp_path, with_masks=True), "youtube-vis")
    assert boxes_of(content) == truth(content)


def test_ignore_regions_of_the_motchallenge(tmp_path):
    root = write_mot(tmp_path / "mot")
    write_images(root, IMAGES["mot"])
    (root / "clip_a/gt/labels.txt").unlink()
    (root / "clip_b/gt/labels.txt").unlink()
    (root / "clip_a/gt/gt.txt").write_text(
        "1,1,11,13,30,24,1,1,1\n"  # a pedestrian
        "1,2,41,13,30,24,0,7,1\n"  # a static person: neither wanted nor punished
        "2,3,51,3,30,24,0,3,1\n"  # a car
        "2,4,-500,3,30,24,1,1,1\n"  # out of the picture
    )
    (root / "clip_b/gt/gt.txt").write_text("1,1,11,13,30,24,1,-1,-1,-1\n")  # as MOT15 has it
    content = convert(root, "mot")
    assert [category["name"] for category in content["categories"]] == ["pedestrian"]
    found = [(e["image_id"], tuple(e["bbox"]), e["iscrowd"]) for e in content["annotations"]]
    assert found == [(1, (10, 12, 30, 24), 0), (1, (40, 12, 30, 24), 1), (5, (10, 12, 30, 24), 0)]


def test_a_cvat_track_is_interpolated_where_boxes_are_left_out(tmp_path, capsys):
    write_images(tmp_path)
    boxes = (
        '<box frame="0" outside="0" occluded="1" xtl="10" ytl="10" xbr="20" ybr="20"/>'
        '<box frame="2" outside="0" occluded="0" xtl="20" ytl="14" xbr="40" ybr="30"/>'
        '<box frame="3" outside="1" occluded="0" xtl="20" ytl="14" xbr="40" ybr="30"/>'
    )
    path = tmp_path / "clip_a.xml"
    path.write_text(
        "<annotations><meta><task><size>4</size></task></meta>"
        f'<track id="0" label="cat">{boxes}</track><track id="1" label="cat">'
        '<polyline frame="0" points="1,1;2,2;3,1"/></track></annotations>'
    )
    content = convert(path, "cvat")
    assert [annotation["bbox"] for annotation in content["annotations"]] == [
        [10, 10, 10, 10],
        [15, 12, 15, 13],
        [20, 14, 20, 16],
    ]
    assert [annotation["occluded"] for annotation in content["annotations"]] == [1, 1, 0]
    assert "1 polylines left out" in capsys.readouterr().out


@pytest.mark.parametrize(("unlabelled", "keys"), [("reference", [0, 3]), ("empty", [0, 1, 2, 3])])
def test_frames_without_label_file(tmp_path, capsys, unlabelled, keys):
    root = write_yolo(tmp_path / "labels")
    write_images(root)
    for index in (1, 2):
        (root / f"clip_a/{index:06d}.txt").unlink()
    content = convert(root, "yolo", unlabelled=unlabelled)
    records = load_vid_json(str(tmp_path / "out/converted.json"), str(root))
    assert [r["frame_index"] for r in records if r["video_id"] == 1] == keys
    assert len(content["images"]) == 7
    said = "2 frames without annotations serve as reference frames only" in capsys.readouterr().out
    assert said == (unlabelled == "reference")


def test_frame_10_comes_after_frame_9(tmp_path):
    (tmp_path / "labels/v").mkdir(parents=True)
    (tmp_path / "labels/classes.txt").write_text("cat")
    for index in range(8, 12):
        cv2.imwrite(str(tmp_path / f"labels/v/f{index}.png"), np.zeros((64, 96, 3), np.uint8))
        (tmp_path / f"labels/v/f{index}.txt").write_text(f"0 0.5 0.5 0.5 0.{index:02d}")
    content = convert(tmp_path / "labels", "yolo")
    heights = [annotation["bbox"][3] for annotation in content["annotations"]]
    assert heights == pytest.approx([64 * share for share in (0.08, 0.09, 0.10, 0.11)])


def test_labels_of_a_video_file_that_count_from_1(tmp_path):
    root = write_yolo(tmp_path / "labels")
    write_videos(tmp_path / "videos")
    for video, frames in TRUTH.items():
        for index in reversed(range(len(frames))):
            (root / video / f"{index:06d}.txt").rename(root / video / f"{video}_{index + 1}.txt")
    kwargs = {"root": tmp_path / "videos", "video_files": True}
    with pytest.raises(InputError, match=r"say it with --first-frame 0 or --first-frame 1"):
        convert(root, "yolo", **kwargs)
    content = convert(root, "yolo", first_number=1, **kwargs)
    assert boxes_of(content) == truth(content)


@pytest.mark.slow
def test_the_script_and_the_order_of_classes(tmp_path):
    root = write_voc(tmp_path / "voc")
    write_images(root)
    script = str(REPOSITORY / "datasets/convert_to_coco_vid.py")
    command = [sys.executable, script, str(root), "--from", "voc", "--output", "out.json"]
    kwargs = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "--classes", "dog", "cat"], **kwargs)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert [category["name"] for category in content["categories"]] == ["dog", "cat"]
    assert "out.json: 2 videos, 7 frames" in done.stdout
    assert f"train_net.py --dataset NAME out.json {root}" in done.stdout
    done = subprocess.run([*command, "--classes", "dog"], **kwargs)
    assert done.returncode == 1
    assert "object 2: class 'cat' is not one of dog" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("empty", [False, True], ids=["no such place", "an empty folder"])
def test_wrong_sources_get_a_sentence(tmp_path, format, empty):
    source = tmp_path / "source"
    if empty:
        source.mkdir()
    with pytest.raises((InputError, FileNotFoundError), match=str(source)):
        convert(source, format)


def no_folder(root: Path) -> dict:
    (root / "clip_b").rename(root / "clip_c")
    return {}


def no_images(root: Path) -> dict:
    for path in (root / "clip_b").iterdir():
        path.unlink()
    return {}


def an_image_less(root: Path) -> dict:
    (root / "clip_a/000003.jpg").unlink()
    return {}


def a_broken_image(root: Path) -> dict:
    (root / "clip_a/000003.jpg").write_text("no image")
    return {}


def no_video(root: Path) -> dict:
    return {"video_files": True}


MEDIA = {
    no_folder: ("voc", r"Folder .*clip_b with the images of the video of .*: check --images"),
    no_images: ("voc", r"Folder .*clip_b has no images"),
    an_image_less: ("voc", r"clip_a annotates frame 000003, which clip_a with its 3 frames"),
    a_broken_image: ("voc", r"Image .*clip_a/000003.jpg cannot be read"),
    no_video: ("voc", r"Video file .*clip_a.mp4 \(or .avi.* not found: check --videos"),
}


@pytest.mark.parametrize("make", MEDIA, ids=lambda make: make.__name__)
def test_images_that_are_not_there_get_a_sentence(tmp_path, make):
    format, message = MEDIA[make]
    source = WRITERS[format](tmp_path / "labels")
    write_images(tmp_path / "media")
    with pytest.raises(InputError, match=message):
        convert(source, format, root=tmp_path / "media", **make(tmp_path / "media"))
    assert not (tmp_path / "out").exists()


def test_a_listed_image_that_is_missing_gets_a_sentence(tmp_path):
    write_images(tmp_path)
    (tmp_path / "clip_b/000001.jpg").unlink()
    with pytest.raises(InputError, match=r"Image .*clip_b/000001.jpg not found"):
        convert(write_youtube_vis(tmp_path), "youtube-vis")


def test_two_videos_of_one_name_get_a_sentence(tmp_path):
    write_images(tmp_path)
    (tmp_path / "xml").mkdir()
    write_cvat(tmp_path / "xml")
    text = (tmp_path / "xml/clip_a.xml").read_text()
    (tmp_path / "xml/again.xml").write_text(text)
    with pytest.raises(InputError, match="Two videos have the name 'clip_a'"):
        convert(tmp_path / "xml", "cvat", root=tmp_path)


def test_images_of_another_size_than_annotated_get_a_sentence(tmp_path):
    write_images(tmp_path)
    cv2.imwrite(str(tmp_path / "clip_a/000002.jpg"), np.zeros((36, 48, 3), np.uint8))
    (tmp_path / "xml").mkdir()
    message = r"clip_a/000002.jpg is 48 x 36 pixels, .*clip_a.xml says 96 x 72"
    with pytest.raises(InputError, match=message):
        convert(write_cvat(tmp_path / "xml"), "cvat", root=tmp_path)


def test_a_video_without_size_gets_a_sentence(tmp_path):
    write_images(tmp_path)
    path = write_youtube_vis(tmp_path, with_masks=True)
    path.write_text(path.read_text().replace(f'"width": {WIDTH}', '"width": 0'))
    with pytest.raises(InputError, match=r"video 5: its size is 0 x 72 pixels"):
        convert(path, "youtube-vis")
