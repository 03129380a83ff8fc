"""Files that are there already, names of classes and pictures in other places."""

import json
import re
import shutil
import unicodedata
import zipfile
from pathlib import Path

import cv2
import pytest

from boxmask_vid.errors import InputError
from support import cvat_files
from support.red_boxes import (
    SIZE,
    box,
    boxes_of_pictures,
    convert,
    misfits,
    picture,
    write_pictures,
    write_video,
)
from support.small_exports import count, voc_text, write_labels, write_mot, yolo_line


def test_pictures_of_a_cvat_task_one_folder_deeper(tmp_path):
    write_pictures(tmp_path / "images/night/cam 1", range(3))
    rows = [cvat_files.row(frame) for frame in range(3)]
    xml = cvat_files.task(cvat_files.track(rows), 3, source=None)
    cvat_files.write(tmp_path / "annotations.xml", xml)
    content = convert(tmp_path, tmp_path / "o.json", format="cvat")
    assert misfits(content, tmp_path) == []
    assert count(content) == 3
    write_pictures(tmp_path / "images/night/cam 2", range(3))
    with pytest.raises(InputError, match=r"pictures in 2 folders, night/cam 1 and night/cam 2"):
        convert(tmp_path, tmp_path / "p.json", format="cvat")


@pytest.mark.parametrize(
    ("label", "images"), [("1", r"a_1\.png and b_1\.png"), ("7", "images/a, images/b")]
)
def test_a_label_of_no_clip_names_the_pictures(tmp_path, label, images):
    for name in ("a_{}.png", "b_{}.png"):
        write_pictures(tmp_path / "images", range(3), name)
    write_labels(tmp_path / "labels", "a_{}.txt")
    (tmp_path / f"labels/{label}.txt").write_text(yolo_line(0))
    (tmp_path / "classes.txt").write_text("car\n")
    sentence = rf"labels has a label file {label}, and images of 2 clips \({images}\): name each"
    with pytest.raises(InputError, match=sentence):
        convert(tmp_path, tmp_path / "o.json", format="yolo")


@pytest.fixture
def cam(tmp_path) -> Path:
    write_labels(tmp_path / "data")
    write_pictures(tmp_path / "data", range(3))
    (tmp_path / "data/classes.txt").write_text("car\n")
    return tmp_path / "data"


def test_output_replaces_converted_files_only(cam, tmp_path):
    output = cam / "train.json"
    output.write_text('{"my": "notes"}')
    with pytest.raises(InputError, match=r"train\.json exists and is no COCO-VID JSON"):
        convert(cam, output, format="yolo")
    assert output.read_text() == '{"my": "notes"}'
    output.write_text("")
    first = convert(cam, output, format="yolo")
    assert convert(cam, output, format="yolo") == first


def test_extraction_overwrites_no_other_picture(tmp_path):
    write_video(tmp_path / "videos/cam.avi", 3)
    write_labels(tmp_path / "labels/cam")
    (tmp_path / "labels/classes.txt").write_text("car\n")
    options = {
        "format": "yolo",
        "root": tmp_path / "videos",
        "video_files": True,
        "extract": tmp_path / "frames",
    }
    first = convert(tmp_path / "labels", tmp_path / "o.json", **options)
    assert convert(tmp_path / "labels", tmp_path / "o.json", **options) == first
    mine = tmp_path / "frames/cam/000001.jpg"
    cv2.imwrite(str(mine), picture(30))
    before = mine.read_bytes()
    with pytest.raises(InputError, match=r"000001\.jpg is there already and is another file"):
        convert(tmp_path / "labels", tmp_path / "o.json", **options)
    assert mine.read_bytes() == before
    assert len(list(mine.parent.iterdir())) == 3


def test_unpacking_overwrites_no_other_file(cam, tmp_path):
    with zipfile.ZipFile(tmp_path / "cam.zip", "w") as archive:
        for path in cam.iterdir():
            archive.write(path, path.name)
    options = {"format": "yolo", "extract": tmp_path / "out"}
    first = convert(tmp_path / "cam.zip", tmp_path / "o.json", **options)
    assert convert(tmp_path / "cam.zip", tmp_path / "o.json", **options) == first
    mine = tmp_path / "out/cam/frame_000001.txt"
    mine.write_text("mine\n")
    with pytest.raises(InputError, match=r"frame_000001\.txt is there already and is another file"):
        convert(tmp_path / "cam.zip", tmp_path / "o.json", **options)
    assert mine.read_text() == "mine\n"


@pytest.mark.parametrize("is_source", [False, True])
@pytest.mark.parametrize("path", ["", "path: ../somewhere\n", "path: .\n"])
def test_yaml_of_any_name(cam, tmp_path, is_source, path):
    (cam / "classes.txt").unlink()
    (cam / "coco8.yaml").write_text(path + "train: images\nval: images\nnames:\n  0: walker\n")
    (cam / "pipeline.yml").write_text("steps: [one, two]\n")
    source = cam / "coco8.yaml" if is_source else cam
    content = convert(source, tmp_path / "o.json", format="yolo")
    assert [category["name"] for category in content["categories"]] == ["walker"]
    assert misfits(content, cam) == []
    assert count(content) == 3


def test_two_yaml_files_with_other_names(cam, tmp_path):
    (cam / "classes.txt").unlink()
    (cam / "a.yaml").write_text("train: images\nnames: [walker]\n")
    (cam / "b.yaml").write_text("train: images\nnames: [boat]\n")
    with pytest.raises(InputError, match=r"b\.yaml and .*a\.yaml name different classes"):
        convert(cam, tmp_path / "o.json", format="yolo")
    content = convert(cam / "b.yaml", tmp_path / "o.json", format="yolo")
    assert content["categories"][0]["name"] == "boat"


def test_classes_of_the_command_where_no_file_names_them(cam, tmp_path):
    (cam / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"does not name its classes.*--classes"):
        convert(cam, tmp_path / "o.json", format="yolo")
    content = convert(cam, tmp_path / "o.json", format="yolo", classes=["walker"])
    assert content["categories"][0]["name"] == "walker"


def test_pictures_one_folder_deeper(tmp_path):
    write_labels(tmp_path / "labels/train")
    write_pictures(tmp_path / "images/train/cam", range(3))
    (tmp_path / "classes.txt").write_text("car\n")
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path) == []
    assert count(content) == 3
    write_pictures(tmp_path / "images/train/other", range(3))
    with pytest.raises(InputError, match="pictures in 2 folders, cam and other among them"):
        convert(tmp_path, tmp_path / "p.json", format="yolo")


def test_pictures_that_were_uploaded_to_label_studio(tmp_path):
    prefixes = ["c0ffee12", "12345678", "0badcafe"]
    write_labels(tmp_path / "labels", "frame_{:04d}.txt")
    write_pictures(tmp_path / "images", range(3), "frame_{:04d}.png")
    for index, prefix in enumerate(prefixes):
        for path in (f"labels/frame_{index:04d}.txt", f"images/frame_{index:04d}.png"):
            file = tmp_path / path
            file.rename(file.with_name(f"{prefix}-{file.name}"))
    (tmp_path / "classes.txt").write_text("car\n")
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert len(content["videos"]) == 1
    names = [Path(image["file_name"]).name for image in content["images"]]
    assert names == [f"{prefix}-frame_{i:04d}.png" for i, prefix in enumerate(prefixes)]
    assert misfits(content, tmp_path) == []


def test_mot_says_which_frame_is_which_picture(tmp_path, capsys):
    write_mot(tmp_path / "street")
    shutil.rmtree(tmp_path / "street/img1")
    write_pictures(tmp_path / "street/img1", range(3), "{:06d}.png")
    (tmp_path / "street/seqinfo.ini").write_text("[Sequence]\nseqLength=3\n")
    content = convert(tmp_path, tmp_path / "o.json", format="mot")
    assert misfits(content, tmp_path) == []
    said = capsys.readouterr().out
    assert "number of the first frame (frame 1 is 000000.png)\n" in said


def test_images_without_boxes_may_lack_their_picture(tmp_path, capsys):
    width, height = SIZE
    images = []
    for index in range(4):
        x, y, w, h = box(index)
        inside = f'<box label="car" xtl="{x}" ytl="{y}" xbr="{x + w}" ybr="{y + h}"/>'
        images.append(
            f'<image id="{index}" name="r_{index:03d}.png" width="{width}" height="{height}">'
            f"{inside if index < 3 else ''}</image>"
        )
    (tmp_path / "a.xml").write_text(f"<annotations>{''.join(images)}</annotations>")
    write_pictures(tmp_path / "f", range(3), "r_{:03d}.png")
    content = convert(tmp_path / "a.xml", tmp_path / "o.json", format="cvat", root=tmp_path / "f")
    assert misfits(content, tmp_path / "f") == []
    assert count(content) == 3
    said = capsys.readouterr().out
    assert "1 images without boxes and without a picture left out" in said
    assert sum(map(len, boxes_of_pictures(content).values())) == 3


@pytest.mark.parametrize(("format", "suffix"), [("yolo", ".txt"), ("voc", ".xml")])
def test_a_bare_number_among_label_files_that_are_named_after_images(tmp_path, format, suffix):
    write_pictures(tmp_path / "a", range(6), name="a_{}.png")
    names = ["a_0", "a_1", "a_2", "3", "a_4", "a_5"]
    for index, name in enumerate(names):
        text = voc_text(index) if format == "voc" else yolo_line(index)
        (tmp_path / "a" / f"{name}{suffix}").write_text(text)
    (tmp_path / "a/classes.txt").write_text("car\n")
    with pytest.raises(
        InputError, match=r"a label file 3 among .* named after images, such as a_0:"
    ):
        convert(tmp_path / "a", tmp_path / "o.json", format=format)
    for name in names:
        if name != "3":
            (tmp_path / "a" / f"{name}{suffix}").rename(tmp_path / "a" / f"{name[2:]}{suffix}")
    content = convert(tmp_path / "a", tmp_path / "o.json", format=format)  # all are numbers
    assert misfits(content, tmp_path / "a") == []
    assert count(content) == 6


COPIES = ["frame_000002 (1)", "frame_000002(1)", "frame_000002 copy", "frame_000002 copy 2"]
COPIES += ["frame_000002 - Copy", "frame_000002 - Copy (2)", "frame_000002 2"]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_of_a_frame_is_named(tmp_path, name):
    write_pictures(tmp_path, range(6))
    write_labels(tmp_path, count=6)
    (tmp_path / "classes.txt").write_text("car\n")
    shutil.copy(tmp_path / "frame_000002.png", tmp_path / f"{name}.png")
    sentence = rf"two pictures of one frame, frame_000002.png and {re.escape(name)}.png"
    with pytest.raises(InputError, match=sentence):
        convert(tmp_path, tmp_path / "o.json", format="yolo")


@pytest.mark.parametrize(
    "name", ["cam 1 ({}).png", "cam 1 {}.png", "take 3 copy {}.png", "frame({}).png"]
)
def test_names_that_only_look_like_copies(tmp_path, name):
    write_pictures(tmp_path, range(6), name, first=1)
    for index in range(6):
        (tmp_path / name.format(index + 1)).with_suffix(".txt").write_text(yolo_line(index))
    (tmp_path / "classes.txt").write_text("car\n")
    content = convert(tmp_path, tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path) == []
    assert (count(content), len(content["videos"])) == (6, 1)


def test_names_that_a_mac_has_spelled(tmp_path):
    """Archives of a Mac have e and an accent where annotations have the letter with its accent."""
    there, said = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFD", "NFC"))
    write_pictures(tmp_path / "images" / there, range(3), there + "_{}.png")
    write_video(tmp_path / f"{there}.mp4", 3)
    (tmp_path / "labels" / said).mkdir(parents=True)
    for index in range(3):
        (tmp_path / "labels" / said / f"{said}_{index}.txt").write_text(yolo_line(index))
    (tmp_path / "labels/classes.txt").write_text("car\n")
    contents = [convert(tmp_path / "labels", tmp_path / "a.json", format="yolo")]
    files = [f"{said}/{said}_{index}.png" for index in range(3)]
    video = {"id": 1, "width": 320, "height": 240, "file_names": files}
    track = {"video_id": 1, "category_id": 1, "bboxes": [box(index) for index in range(3)]}
    classes = [{"id": 1, "name": "car"}]
    (tmp_path / "vis.json").write_text(
        json.dumps({"videos": [video], "categories": classes, "annotations": [track]})
    )
    root = tmp_path / "images"
    contents.append(
        convert(tmp_path / "vis.json", tmp_path / "b.json", format="youtube-vis", root=root)
    )
    images = "".join(cvat_files.image(name, index) for index, name in enumerate(files))
    cvat_files.write(tmp_path / "annotations.xml", cvat_files.task(images, 3, source=None))
    contents.append(
        convert(tmp_path / "annotations.xml", tmp_path / "c.json", format="cvat", root=root)
    )
    for content in contents:
        assert misfits(content, root) == []
        assert count(content) == 3
    xml = cvat_files.task(
        cvat_files.track([cvat_files.row(frame) for frame in range(3)]), 3, source=f"{said}.mp4"
    )
    cvat_files.write(tmp_path / "video.xml", xml)
    content = convert(
        *(tmp_path / "video.xml", tmp_path / "d.json"),
        format="cvat",
        root=tmp_path,
        video_files=True,
    )
    assert count(content) == 3


def test_cvat_labels_in_splits_beside_pictures_without(tmp_path):
    """CVAT's "Ultralytics YOLO Detection Track 1.0" without pictures."""
    write_pictures(tmp_path / "frames", range(3))
    (tmp_path / "z/labels/train").mkdir(parents=True)
    for index in range(3):
        path = tmp_path / f"z/labels/train/frame_{index:06d}.txt"
        path.write_text(f"{yolo_line(index).strip()} 5\n")
    (tmp_path / "z/data.yaml").write_text("names:\n  0: car\npath: .\ntrain: train.txt\n")
    (tmp_path / "z/train.txt").write_text("data/images/train/frame_000000.png\n")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        for path in (tmp_path / "z").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "z"))
    root = tmp_path / "frames"
    content = convert(tmp_path / "t.zip", tmp_path / "o.json", format="yolo", root=root)
    assert misfits(content, root) == []
    assert (count(content), {box["instance_id"] for box in content["annotations"]}) == (3, {1})


def test_a_mot_sequence_that_is_there_for_each_detector_is_said(tmp_path, capsys):
    for name in ("MOT17-02-DPM", "MOT17-02-FRCNN", "MOT17-02-SDP"):
        write_mot(tmp_path / name)
    convert(tmp_path, tmp_path / "o.json", format="mot")
    said = "2 sequences have the gt.txt of another one, such as MOT17-02-DPM and MOT17-02-FRCNN"
    assert said in capsys.readouterr().out
