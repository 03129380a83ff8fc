"""Every annotation format: what a test writes in it comes back, and can be trained on."""

import json
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import quoteattr

import av
import cv2
import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from pycocotools import mask as masks

from boxmask_vid.apps.dataset_tools.converters.convert import FORMATS, convert_to_coco_vid
from boxmask_vid.data import load_vid_json, register_vid_instances
from boxmask_vid.engine import build_cfg
from boxmask_vid.engine.trainer import Trainer
from boxmask_vid.errors import InputError
from support.paths import REPOSITORY
from support.small import CONFIG, SMALLEST

WIDTH, HEIGHT = 96, 72
CLASSES = ["cat", "dog"]
# video: for each frame, (class, track, x, y, width, height)
TRUTH = {
    "clip_a": [
        [("dog", 1, 10, 12, 30, 24)],
        [("dog", 1, 14, 12, 30, 24), ("cat", 2, 50, 20, 20, 30)],
        [],
        [("dog", 1, 22, 12, 30, 24)],
    ],
    "clip_b": [[("cat", 1, 0, 0, 96, 64)], [("cat", 1, 2, 4, 40, 40)], [("cat", 1, 4, 8, 40, 40)]],
}


def picture(video: str, index: int) -> np.ndarray:
    noise = np.random.default_rng([len(video), index]).integers(0, 60, (HEIGHT, WIDTH, 3))
    frame = noise.astype(np.uint8)
    for _, track, x, y, w, h in TRUTH[video][index]:
        cv2.rectangle(frame, (x, y), (x + w - 1, y + h - 1), (90 * track, 200, 80), -1)
    return frame


def write_images(root: Path, pattern: str = "{video}/{index:06d}.jpg") -> None:
    for video, frames in TRUTH.items():
        for index in range(len(frames)):
            path = root / pattern.format(video=video, index=index)
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture(video, index))


def write_videos(root: Path) -> None:
    root.mkdir(parents=True)
    for video, frames in TRUTH.items():
        with av.open(str(root / f"{video}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.bit_rate = WIDTH, HEIGHT, 4_000_000
            for index in range(len(frames)):
                frame = av.VideoFrame.from_ndarray(picture(video, index), format="bgr24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def write_youtube_vis(root: Path, *, with_masks: bool = False) -> Path:
    content = {
        "videos": [
            {
                "id": number,
                "width": WIDTH,
                "height": HEIGHT,
                "length": len(frames),
                "file_names": [f"{video}/{index:06d}.jpg" for index in range(len(frames))],
            }
            for number, (video, frames) in enumerate(TRUTH.items(), start=5)
        ],
        "categories": [{"id": 10 * i, "name": name} for i, name in enumerate(CLASSES, start=1)],
        "annotations": [],
    }
    for number, frames in enumerate(TRUTH.values(), start=5):
        for track in {(label, track) for each in frames for label, track, *_ in each}:
            boxes = [
                next((list(b[2:]) for b in each if (b[0], b[1]) == track), None) for each in frames
            ]
            annotation = {
                "id": len(content["annotations"]) + 1,
                "video_id": number,
                "category_id": 10 * (CLASSES.index(track[0]) + 1),
                "iscrowd": 0,
            }
            if with_masks:
                kinds = [compressed, uncompressed, polygon]
                annotation["segmentations"] = [
                    None if box is None else kinds[index % 3](box)
                    for index, box in enumerate(boxes)
                ]
            else:
                annotation["bboxes"] = boxes
            content["annotations"].append(annotation)
    path = root / "instances.json"
    path.write_text(json.dumps(content))
    return path


def bitmap(box: list[int]) -> np.ndarray:
    x, y, w, h = box
    filled = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    filled[y : y + h, x : x + w] = 1
    return filled


def compressed(box: list[int]) -> dict:
    encoded = masks.encode(bitmap(box))
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def uncompressed(box: list[int]) -> dict:
    flat = bitmap(box).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *changes, flat.size]).tolist()}


def polygon(box: list[int]) -> list:
    x, y, w, h = box
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def write_mot(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video / "gt").mkdir(parents=True)
        (root / video / "seqinfo.ini").write_text(
            f"[Sequence]\nname={video}\nimDir=img1\nframeRate=10\nseqLength={len(frames)}\n"
            f"imWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
        )
        (root / video / "gt/labels.txt").write_text("\n".join(CLASSES) + "\n")
        rows = [
            f"{index + 1},{track},{x + 1},{y + 1},{w},{h},1,{CLASSES.index(label) + 1},1.0"
            for index, each in enumerate(frames)
            for label, track, x, y, w, h in each
        ]
        (root / video / "gt/gt.txt").write_text("\n".join(rows) + "\n")
    return root


def write_voc(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video).mkdir(parents=True, exist_ok=True)
        for index, each in enumerate(frames):
            objects = "".join(
                f"<object><name>{label}</name><trackid>{track}</trackid><difficult>0</difficult>"
                f"<bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax>"
                f"<ymax>{y + h}</ymax></bndbox></object>"
                for label, track, x, y, w, h in each
            )
            (root / video / f"{index:06d}.xml").write_text(f"<annotation>{objects}</annotation>")
    return root


def write_yolo(root: Path) -> Path:
    for video, frames in TRUTH.items():
        (root / video).mkdir(parents=True, exist_ok=True)
        for index, each in enumerate(frames):
            lines = [
                f"{CLASSES.index(label)} {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} "
                f"{h / HEIGHT} {track}"
                for label, track, x, y, w, h in each
            ]
            (root / video / f"{index:06d}.txt").write_text("\n".join(lines))
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def write_cvat(root: Path) -> Path:
    for video, frames in TRUTH.items():
        tracks = {}
        for index, each in enumerate(frames):
            for label, track, x, y, w, h in each:
                tracks.setdefault((label, track), {})[index] = (x, y, x + w, y + h)
        nodes = []
        for (label, track), boxes in tracks.items():
            shapes = []
            for index in range(len(frames)):
                seen = index in boxes
                box = (
                    boxes[index if seen else max(i for i in boxes if i < index)]
                    if (seen or any(i < index for i in boxes))
                    else None
                )
                if box is not None:
                    corners = " ".join(
                        f"{key}={quoteattr(str(value))}"
                        for key, value in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
                    )
                    shapes.append(
                        f'<box frame="{index}" outside="{int(not seen)}" occluded="0" '
                        f'keyframe="1" {corners}/>'
                    )
            nodes.append(f'<track id="{track}" label="{label}">{"".join(shapes)}</track>')
        labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
        (root / f"{video}.xml").write_text(
            f"<annotations><meta><task><name>task</name><size>{len(frames)}</size><labels>{labels}"
            f"</labels><original_size><width>{WIDTH}</width><height>{HEIGHT}</height>"
            f"</original_size><source>{video}.mp4</source></task></meta>{''.join(nodes)}"
            "</annotations>"
        )
    return root


def write_epic_kitchens(root: Path) -> Path:
    rows = ["noun_class,noun,participant_id,video_id,frame,bounding_boxes"]
    for video, frames in TRUTH.items():
        for index, each in enumerate(frames):
            for label in dict.fromkeys([b[0] for b in each] or ["cat"]):
                boxes = [
                    (y * 1080 // HEIGHT, x * 1920 // WIDTH, h * 1080 // HEIGHT, w * 1920 // WIDTH)
                    for name, _, x, y, w, h in each
                    if name == label
                ]
                rows.append(f'{CLASSES.index(label)},{label},P01,{video},{index:06d},"{boxes}"')
    (root / "EPIC_noun_classes.csv").write_text(
        "noun_id,class_key,nouns\n0,cat,\"['cat']\"\n1,dog,\"['dog']\"\n"
    )
    path = root / "EPIC_train_object_labels.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


WRITERS = {
    "cvat": write_cvat,
    "epic-kitchens": write_epic_kitchens,
    "mot": write_mot,
    "voc": write_voc,
    "yolo": write_yolo,
    "youtube-vis": write_youtube_vis,
}
IMAGES = {
    "epic-kitchens": "P01/{video}/frame_{index:010d}.jpg",
    "mot": "{video}/img1/{index:06d}.jpg",
}


def boxes_of(content: dict, *, tracks: bool = True) -> dict:
    """In the form of ``TRUTH``; tracks renumbered in each video by their first appearance."""
    names = {each["id"]: each["name"] for each in content["categories"]}
    videos = {each["id"]: each["name"] for each in content["videos"]}
    frames = {name: [] for name in videos.values()}
    places = {}
    for image in content["images"]:
        assert image["frame_id"] == len(frames[videos[image["video_id"]]])
        places[image["id"]] = []
        frames[videos[image["video_id"]]].append(places[image["id"]])
    for each in content["annotations"]:
        track = each["instance_id"] if tracks else None
        box = tuple(round(value, 6) for value in each["bbox"])
        places[each["image_id"]].append((names[each["category_id"]], track, *box))
    return {name: [frozenset(boxes) for boxes in each] for name, each in frames.items()}


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
    assert [each["name"] for each in content["categories"]] == CLASSES
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
        opts = [str(each) for pair in options.items() for each in pair]
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
    assert [each["name"] for each in content["categories"]] == ["pedestrian"]
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
        '<polygon frame="0" points="1,1;2,2;3,1"/></track></annotations>'
    )
    content = convert(path, "cvat")
    assert [each["bbox"] for each in content["annotations"]] == [
        [10, 10, 10, 10],
        [15, 12, 15, 13],
        [20, 14, 20, 16],
    ]
    assert [each["occluded"] for each in content["annotations"]] == [1, 1, 0]
    assert "1 shapes that are no boxes left out" in capsys.readouterr().out


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
    said = "2 frames without label file serve as reference frames only" in capsys.readouterr().out
    assert said == (unlabelled == "reference")


def test_frame_10_comes_after_frame_9(tmp_path):
    (tmp_path / "labels/v").mkdir(parents=True)
    (tmp_path / "labels/classes.txt").write_text("cat")
    for index in range(8, 12):
        cv2.imwrite(str(tmp_path / f"labels/v/f{index}.png"), np.zeros((64, 96, 3), np.uint8))
        (tmp_path / f"labels/v/f{index}.txt").write_text(f"0 0.5 0.5 0.5 0.{index:02d}")
    content = convert(tmp_path / "labels", "yolo")
    heights = [each["bbox"][3] for each in content["annotations"]]
    assert heights == pytest.approx([64 * share for share in (0.08, 0.09, 0.10, 0.11)])


def test_labels_of_a_video_file_that_count_from_1(tmp_path):
    root = write_yolo(tmp_path / "labels")
    write_videos(tmp_path / "videos")
    for video, frames in TRUTH.items():
        for index in reversed(range(len(frames))):
            (root / video / f"{index:06d}.txt").rename(root / video / f"{video}_{index + 1}.txt")
    kwargs = {"root": tmp_path / "videos", "video_files": True}
    with pytest.raises(InputError, match=r"first frame is taken to be number 0 \(--first-frame\)"):
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
    assert [each["name"] for each in content["categories"]] == ["dog", "cat"]
    assert "out.json: 2 videos, 7 frames" in done.stdout
    assert f"train_net.py --dataset NAME out.json {root}" in done.stdout
    done = subprocess.run([*command, "--classes", "dog"], **kwargs)
    assert done.returncode == 1
    assert "object 2: class 'cat' is none of dog" in done.stderr
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
    no_folder: ("voc", r"There is no folder .*clip_b with the images of the video of"),
    no_images: ("voc", r"The folder .*clip_b has no images"),
    an_image_less: ("voc", r"clip_a annotates frame 000003, which clip_a with its 3 frames"),
    a_broken_image: ("voc", r"The image .*clip_a/000003.jpg cannot be read"),
    no_video: ("voc", r"There is no video file .*clip_a.mp4 \(or .avi"),
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
    with pytest.raises(InputError, match=r"There is no image .*clip_b/000001.jpg"):
        convert(write_youtube_vis(tmp_path), "youtube-vis")


def test_two_videos_of_one_name_get_a_sentence(tmp_path):
    write_images(tmp_path)
    (tmp_path / "xml").mkdir()
    write_cvat(tmp_path / "xml")
    text = (tmp_path / "xml/clip_a.xml").read_text()
    (tmp_path / "xml/again.xml").write_text(text)
    with pytest.raises(InputError, match="There are two videos of the name 'clip_a'"):
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
