"""Linked folders, files that are there already, names of classes and pictures in other places."""

import shutil
import zipfile
from pathlib import Path

import cv2
import pytest

from boxmask_vid.data.datasets.folders import walk_files
from boxmask_vid.errors import InputError
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


def yolo_line(index: int) -> str:
    x, y, w, h = box(index)
    return f"0 {(x + w / 2) / 320:.6f} {(y + h / 2) / 240:.6f} {w / 320:.6f} {h / 240:.6f}\n"


def write_labels(folder: Path, name: str = "frame_{:06d}.txt", count: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        (folder / name.format(index)).write_text(yolo_line(index))


def write_mot(sequence: Path) -> None:
    (sequence / "gt").mkdir(parents=True)
    rows = []
    for index in range(3):
        x, y, w, h = box(index)
        rows.append(f"{index + 1},1,{x + 1},{y + 1},{w},{h},1,1,1\n")
    (sequence / "gt/gt.txt").write_text("".join(rows))
    write_pictures(sequence / "img1", range(3), "{:06d}.png", first=1)


def voc_text(index: int) -> str:
    x, y, w, h = box(index)
    corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + w, "ymax": y + h}
    sides = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners.items())
    return f"<annotation><object><name>car</name><bndbox>{sides}</bndbox></object></annotation>"


def count(content: dict) -> int:
    return len(content["annotations"])


def test_walk_enters_each_folder_once_and_names_links_to_nowhere(tmp_path):
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "store").mkdir()
    (tmp_path / "root/a/1.txt").touch()
    (tmp_path / "store/2.txt").touch()
    (tmp_path / "root/0_again").symlink_to("a")
    (tmp_path / "root/loop").symlink_to("..", target_is_directory=True)
    (tmp_path / "root/b").symlink_to(tmp_path / "store")
    (tmp_path / "store/back").symlink_to(tmp_path / "root")
    found = [path.relative_to(tmp_path).as_posix() for path in walk_files(tmp_path / "root")]
    assert found == ["root/a/1.txt", "root/b/2.txt"]
    (tmp_path / "root/a/3.txt").symlink_to("gone.txt")
    with pytest.raises(InputError, match=r"3\.txt is a link to gone\.txt, which does not exist"):
        list(walk_files(tmp_path / "root"))


@pytest.mark.parametrize("linked", ["labels", "labels/cam", "images/cam", "images"])
def test_linked_folders_of_yolo(tmp_path, linked, capsys):
    root = tmp_path / "data"
    write_labels(root / "labels/cam")
    write_pictures(root / "images/cam", range(3))
    (root / "classes.txt").write_text("car\n")
    (tmp_path / "store").mkdir()
    shutil.move(root / linked, tmp_path / "store/moved")
    (root / linked).symlink_to(tmp_path / "store/moved")
    content = convert(root, tmp_path / "o.json", format="yolo")
    assert misfits(content, root) == []
    assert count(content) == 3
    assert "left out" not in capsys.readouterr().out


def test_a_linked_source_of_yolo_has_its_images_beside_the_link(tmp_path):
    write_labels(tmp_path / "store")
    write_pictures(tmp_path / "data/images", range(3))
    (tmp_path / "data/classes.txt").write_text("car\n")
    (tmp_path / "data/labels").symlink_to(tmp_path / "store")
    content = convert(tmp_path / "data/labels", tmp_path / "o.json", format="yolo")
    assert misfits(content, tmp_path / "data/images") == []
    assert count(content) == 3


def test_linked_folders_of_voc(tmp_path):
    write_pictures(tmp_path / "data/cam", range(3))
    (tmp_path / "store").mkdir()
    for index in range(3):
        (tmp_path / f"store/frame_{index:06d}.xml").write_text(voc_text(index))
    (tmp_path / "data/Annotations").mkdir()
    (tmp_path / "data/Annotations/cam").symlink_to(tmp_path / "store")
    content = convert(tmp_path / "data", tmp_path / "o.json", format="voc")
    assert misfits(content, tmp_path / "data") == []
    assert count(content) == 3


def test_linked_sequences_of_mot(tmp_path, capsys):
    write_mot(tmp_path / "store/street")
    (tmp_path / "store/testing").mkdir()
    (tmp_path / "store/testing/seqinfo.ini").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/all").symlink_to(tmp_path / "store")
    content = convert(tmp_path / "data", tmp_path / "o.json", format="mot")
    assert [video["name"] for video in content["videos"]] == ["all/street"]
    assert misfits(content, tmp_path / "data") == []
    assert "1 folders left out, without gt/gt.txt: all/testing" in capsys.readouterr().out


def test_linked_pictures_without_annotations_are_counted(tmp_path, capsys):
    write_labels(tmp_path / "data/cam")
    write_pictures(tmp_path / "data/cam", range(3))
    (tmp_path / "data/classes.txt").write_text("car\n")
    write_pictures(tmp_path / "store", range(2))
    (tmp_path / "data/more").symlink_to(tmp_path / "store")
    convert(tmp_path / "data", tmp_path / "o.json", format="yolo")
    assert "1 folders of images without annotations left out" in capsys.readouterr().out


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
