"""Linked folders are read like others."""

import shutil

import pytest

from boxmask_vid.data.datasets.folders import walk_files
from boxmask_vid.errors import InputError
from support import cvat_files
from support.red_boxes import convert, misfits, write_pictures
from support.small_exports import count, voc_text, write_labels, write_mot


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


@pytest.mark.parametrize("linked", ["export", "export/images", "export/images/default"])
def test_linked_folders_of_cvat(tmp_path, linked, capsys):
    export = tmp_path / "data/export"
    write_pictures(export / "images/default", range(3))
    rows = [cvat_files.row(frame) for frame in range(3)]
    xml = cvat_files.task(cvat_files.track(rows), 3, source=None)
    cvat_files.write(export / "annotations.xml", xml)
    shutil.move(tmp_path / "data" / linked, tmp_path / "moved")
    (tmp_path / "data" / linked).symlink_to(tmp_path / "moved", target_is_directory=True)
    content = convert(tmp_path / "data", tmp_path / "o.json", format="cvat")
    assert misfits(content, tmp_path / "data") == []
    assert count(content) == 3
    assert "left out" not in capsys.readouterr().out


def test_linked_pictures_without_annotations_are_counted(tmp_path, capsys):
    write_labels(tmp_path / "data/cam")
    write_pictures(tmp_path / "data/cam", range(3))
    (tmp_path / "data/classes.txt").write_text("car\n")
    write_pictures(tmp_path / "store", range(2))
    (tmp_path / "data/more").symlink_to(tmp_path / "store")
    convert(tmp_path / "data", tmp_path / "o.json", format="yolo")
    assert "1 folders of images without annotations left out" in capsys.readouterr().out
