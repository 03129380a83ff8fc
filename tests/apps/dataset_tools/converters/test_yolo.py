"""YOLO label files: what columns mean, where files lie, which clip they belong to."""

from pathlib import Path

import pytest

from boxmask_vid.errors import InputError
from support.red_boxes import (
    box,
    boxes_of_pictures,
    convert,
    misfits,
    write_pictures,
    write_video,
)

BOX = "0 0.156250 0.333333 0.187500 0.166667"


def line(index: int, more: str = "") -> str:
    x, y, w, h = box(index)
    return f"0 {(x + w / 2) / 320:.6f} {(y + h / 2) / 240:.6f} {w / 320:.6f} {h / 240:.6f}{more}\n"


def write(folder: Path, indices=range(6), name: str = "{:06d}.txt", more: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in indices:
        (folder / name.format(index)).write_text(line(index, more))


def yolo(source: Path, **kwargs) -> dict:
    return convert(source, source.parent / "x.json", format="yolo", **kwargs)


def names(content: dict) -> list[str]:
    return [video["name"] for video in content["videos"]]


@pytest.fixture
def clip(tmp_path) -> Path:
    """A folder with pictures and the names of the classes."""
    write_pictures(tmp_path / "set/clip", range(2), "{:06d}.png")
    (tmp_path / "set/classes.txt").write_text("ship\nboat\n")
    return tmp_path / "set"


# row: box on the first picture, and its track if it has one
ROWS = {
    "a box": (BOX, box(0), False),
    "a track": (BOX + " 7", box(0), True),
    "no track": (BOX + " -1", box(0), False),
    "a track with decimals": (BOX + " 7.0", box(0), True),
    "a class with decimals": ("1.0" + BOX[1:], box(0), False),
    "rounding": ("0 0.5 0.5 1.000001 0.99999", [0, 0.001, 320, 239.998], False),
    "negative rounding": ("0 -0.000001 0.5 0.1 0.5", [-16, 60, 32, 120], False),
    "a triangle": ("0 0.1 0.1 0.4 0.1 0.4 0.4", [32, 24, 96, 72], False),
    "a turned box": ("0 0.25 0.1 0.4 0.25 0.25 0.4 0.1 0.25", [32, 24, 96, 72], False),
    "a polygon": ("0 0.1 0.1 0.4 0.1 0.4 0.4 0.2 0.4 0.1 0.3", [32, 24, 96, 72], False),
    "exponents": ("0 1.5625e-1 3.33333e-1 1.875e-1 1.66667e-1", box(0), False),
}


@pytest.mark.parametrize("case", ROWS)
def test_rows(clip, case):
    row, expected, has_track = ROWS[case]
    (clip / "clip/000000.txt").write_text(row + "\n")
    content = yolo(clip)
    found = boxes_of_pictures(content)["clip/000000.png"]
    assert found == [pytest.approx(expected, abs=0.01)]
    assert ["instance_id" in annotation for annotation in content["annotations"]] == [has_track]


REFUSED = {
    "a confidence": (BOX + " 0.87", "its sixth column 0.87 is a confidence, so these are predict"),
    "a confidence of 1": (BOX + " 1.000", "sixth column 1.000 is a confidence"),
    "a confidence of 0": (BOX + " 0.0", "sixth column 0.0 is a confidence"),
    "a confidence and a track": (BOX + " 0.87 1", "last two columns are a confidence and a track"),
    "a confidence, a large track": (BOX + " 0.87 12", "last two columns are a confidence and a"),
    "a track and a confidence": (BOX + " 1 0.87", "last two columns are a confidence and a track"),
    "commas": (BOX.replace(" ", ","), "has commas: the columns class x_centre"),
    "decimal commas": (BOX.replace(".", ","), "has commas.*decimals have a point"),
    "half a class": ("0.5" + BOX[1:], "the class is 0.5 and must be a whole number"),
    "a class too many": (
        "2" + BOX[1:],
        r"class 2 is not one of the 2 of .*classes.txt, which count",
    ),
    "a name": ("ship" + BOX[1:], "the class is 'ship' and must be a number"),
    "four columns": (BOX[2:], "has 4 columns, not class x_centre"),
    "eight columns": (BOX + " 0.1 0.2 0.3", "has 8 columns, not class"),
    "pixels": ("0 50 80 60 40", "column 2 is 50.0, which is not within 0 .. 1"),
    "a larger one": ("0 0.5 0.5 1.02 0.5", "column 4 is 1.02, which is not within 0 .. 1"),
    "a track twice": (BOX + " 3\n0 0.5 0.5 0.1 0.1 3", "track 3 has another box on the same frame"),
    "keypoints": (
        "0 0.5 0.5 0.4 0.4 0.4 0.4 0.6 0.6 0.5 0.5\n0 0.3 0.3 0.2 0.2 0.3 0.3 0.35 0.3 0.3 0.35",
        "which can be a polygon, or a box with keypoints: .*kpt_shape in data.yaml",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_with_a_fault_get_a_sentence(clip, case):
    row, sentence = REFUSED[case]
    (clip / "clip/000000.txt").write_text(row + "\n")
    with pytest.raises(InputError, match=sentence):
        yolo(clip)


def test_keypoints_of_data_yaml(clip, capsys):
    (clip / "classes.txt").unlink()
    (clip / "data.yaml").write_text("names: {0: ship}\nkpt_shape: [2, 3]\n")
    (clip / "clip/000000.txt").write_text(BOX + " 0.1 0.2 2 0.3 0.4 1\n")
    assert boxes_of_pictures(yolo(clip))["clip/000000.png"] == [box(0)]
    assert "1 sets of keypoints left out" in capsys.readouterr().out
    (clip / "clip/000000.txt").write_text(BOX + " 0.1 0.2 2\n")
    with pytest.raises(InputError, match="has 8 columns, not a box and 6 columns of keypoints"):
        yolo(clip)


def test_a_doubled_row_is_counted(clip, capsys):
    (clip / "clip/000000.txt").write_text(f"{BOX}\n{BOX}\n")
    assert boxes_of_pictures(yolo(clip))["clip/000000.png"] == [box(0)]
    assert "1 boxes that are given twice left out" in capsys.readouterr().out


def labelimg(root: Path) -> list[str]:
    """Images, labels and classes.txt in one folder, which is the source."""
    write_pictures(root, range(6), "{:06d}.png")
    write(root)
    (root / "classes.txt").write_text("car\n")
    return ["set"]


def labelimg_folders(root: Path) -> list[str]:
    """A classes.txt in each folder, in different orders."""
    for name, classes in (("day", "car\nbus\n"), ("night", "bus\ncar\n")):
        write_pictures(root / name, range(6), "{:06d}.png")
        write(root / name)
        (root / name / "classes.txt").write_text(classes)
    return ["day", "night"]


def cvat(root: Path) -> list[str]:
    """YOLO 1.1."""
    write_pictures(root / "obj_train_data/day", range(6))
    write(root / "obj_train_data/day", name="frame_{:06d}.txt")
    (root / "obj.names").write_text("car\n")
    (root / "obj.data").write_text("classes = 1\n")
    (root / "train.txt").write_text("data/obj_train_data/day/frame_000000.png\n")
    return ["day"]


def ultralytics(root: Path) -> list[str]:
    for split, clip in (("train", "a"), ("train", "b"), ("val", "c"), ("val", "d")):
        write_pictures(root / f"images/{split}", range(6), clip + "_{:03d}.png")
        write(root / f"labels/{split}", (0, 2, 3), clip + "_{:03d}.txt")
    (root / "data.yaml").write_text("path: .\ntrain: images/train\nnames:\n  0: car\n")
    return ["train/a", "train/b", "val/c", "val/d"]


def roboflow(root: Path) -> list[str]:
    for split in ("train", "valid"):
        write_pictures(root / split / "images", range(6), "v_mp4-{:04d}_jpg.rf.0a1b2c3d.png")
        write(root / split / "labels", name="v_mp4-{:04d}_jpg.rf.0a1b2c3d.txt")
    (root / "data.yaml").write_text("train: ../train/images\nnc: 1\nnames: ['car']\n")
    (root / "README.roboflow.txt").write_text("street - v1\n======\n\nexported by someone\n")
    return ["train", "valid"]


def darknet(root: Path) -> list[str]:
    """As Roboflow writes it."""
    write_pictures(root / "train", range(6), "v-{:04d}.png")
    write(root / "train", name="v-{:04d}.txt")
    (root / "train/_darknet.labels").write_text("car\n")
    return ["train"]


def by_clip(root: Path) -> list[str]:
    """images and labels in the folder of each clip."""
    for clip in ("a", "b"):
        write_pictures(root / clip / "images", range(6), "{:d}.png", 1)
        write(root / clip / "labels", name="{:d}.txt")
        for index in reversed(range(6)):
            (root / clip / f"labels/{index}.txt").rename(root / clip / f"labels/{index + 1}.txt")
    (root / "classes.txt").write_text("car\n")
    return ["a", "b"]


LAYOUTS = (labelimg, labelimg_folders, cvat, ultralytics, roboflow, darknet, by_clip)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts(tmp_path, layout):
    expected = layout(tmp_path / "set")
    content = yolo(tmp_path / "set")
    assert names(content) == expected
    assert len(content["annotations"]) == (3 if layout is ultralytics else 6) * len(expected)
    assert misfits(content, tmp_path / "set") == []
    for image in content["images"]:  # no video has frames of another clip
        video = content["videos"][image["video_id"] - 1]["name"]
        assert layout is not ultralytics or Path(image["file_name"]).name[0] == video[-1]


def test_one_split(tmp_path, capsys):
    ultralytics(tmp_path / "set")
    content = yolo(tmp_path / "set/labels/val")
    assert names(content) == ["val/c", "val/d"]
    assert misfits(content, tmp_path / "set/images/val") == []
    assert f"--dataset NAME {tmp_path}/set/labels/x.json" in capsys.readouterr().out
    assert len(yolo(tmp_path / "set/data.yaml")["videos"]) == 4
    with pytest.raises(InputError, match=r"a_000.txt is a file: give the folder of the label"):
        yolo(tmp_path / "set/labels/train/a_000.txt")
    content = yolo(tmp_path / "set/labels", root=tmp_path / "set/images")
    assert len(content["videos"]) == 4
    content = yolo(tmp_path / "set/labels", root=tmp_path / "set")
    assert len(content["videos"]) == 4


def test_splits_in_one_file_are_said(tmp_path, capsys):
    ultralytics(tmp_path / "set")
    yolo(tmp_path / "set")
    out = capsys.readouterr().out
    assert "the splits train, val are in one file" in out
    assert "train has images of 2 clips: each is a video" in out
    assert "12 frames without annotations serve as reference frames only" in out


def test_lists_of_classes_that_differ_get_a_sentence(clip):
    (clip / "clip/000000.txt").write_text(BOX)
    (clip / "data.yaml").write_text("names: [boat, ship]\n")
    with pytest.raises(InputError, match=r"data.yaml and .*classes.txt name different classes"):
        yolo(clip)
    (clip / "data.yaml").write_text("names: [ship, boat]\nnc: 3\n")
    with pytest.raises(InputError, match=r"data.yaml has 2 names and nc 3"):
        yolo(clip)
    (clip / "data.yaml").unlink()
    (clip / "classes.txt").write_text("ship\n\nboat\n")
    with pytest.raises(InputError, match=r"classes.txt has an empty line 2"):
        yolo(clip)


def test_the_same_class_has_one_name_in_lists_of_other_order(tmp_path):
    labelimg_folders(tmp_path / "set")
    content = yolo(tmp_path / "set")
    assert [category["name"] for category in content["categories"]] == ["car", "bus"]
    found = {video["name"]: set() for video in content["videos"]}
    for annotation in content["annotations"]:
        video = content["videos"][annotation["video_id"] - 1]["name"]
        found[video].add(annotation["category_id"])
    assert found == {"day": {1}, "night": {2}}


def test_two_label_files_of_one_picture_get_a_sentence(clip):
    for name in ("000001", "1"):
        (clip / f"clip/{name}.txt").write_text(BOX)
    with pytest.raises(InputError, match="annotations of one frame twice, as 000001 and as 1"):
        yolo(clip)


def test_names_of_labels_that_are_only_numbers(tmp_path):
    """They are matched where both count from the same number."""
    write_pictures(tmp_path / "set/images/clip", range(6))
    write(tmp_path / "set/labels/clip", name="{}.txt")
    (tmp_path / "set/classes.txt").write_text("car\n")
    assert misfits(yolo(tmp_path / "set"), tmp_path / "set") == []
    (tmp_path / "set/labels/clip/0.txt").unlink()
    with pytest.raises(InputError, match="numbers from 1 on, the images have numbers from 0 on"):
        yolo(tmp_path / "set")


def test_labels_of_a_video_file(tmp_path):
    """Files are numbered from 0 if one of them has the number 0, otherwise that must be said."""
    write_video(tmp_path / "videos/clip.mp4", frames=7)
    labels = tmp_path / "labels"
    (tmp_path / "labels/clip").mkdir(parents=True)
    (labels / "classes.txt").write_text("car\n")
    for index in (1, 2):
        (labels / f"clip/clip_{index}.txt").write_text(BOX)
    kwargs = {"root": tmp_path / "videos", "video_files": True}
    with pytest.raises(InputError, match=r"numbers from 1 on, and no number 0, .*--first-frame 0"):
        yolo(labels, **kwargs)
    assert next(iter(boxes_of_pictures(yolo(labels, first_number=1, **kwargs)).values())) != []
    (labels / "clip/clip_0.txt").write_text(BOX)
    assert next(iter(boxes_of_pictures(yolo(labels, **kwargs)).values())) != []
    (labels / "clip/other_0.txt").write_text(BOX)
    with pytest.raises(InputError, match="pictures of 2 clips"):
        yolo(labels, **kwargs)


def test_labels_of_video_files_in_one_folder(tmp_path):
    for name in ("north", "south"):
        write_video(tmp_path / f"videos/{name}.mp4", frames=7)
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "classes.txt").write_text("car\n")
    for name in ("north_0", "north_3", "south_2"):
        (labels / f"{name}.txt").write_text(BOX)
    content = yolo(labels, root=tmp_path / "videos", video_files=True)
    assert names(content) == ["north", "south"]
    found = [name for name, boxes in boxes_of_pictures(content).items() if boxes]
    assert found == ["north#0", "north#3", "south#2"]


def test_bare_numbers_do_not_say_of_which_clip_they_are(tmp_path):
    for name in ("a_{}.png", "b_{}.png"):
        write_pictures(tmp_path / "set/images", range(3), name)
    write(tmp_path / "set/labels", range(3), "{}.txt")
    (tmp_path / "set/classes.txt").write_text("ship\n")
    with pytest.raises(InputError, match=r"label file \d, and images of 2 clips \(.*name each"):
        yolo(tmp_path / "set")


def test_labels_of_the_same_images_in_two_folders(tmp_path):
    write_pictures(tmp_path / "set/images/clip", range(3), "{:06d}.png")
    write(tmp_path / "set/images/clip", range(3))
    write(tmp_path / "set/labels/clip", range(3))
    (tmp_path / "set/classes.txt").write_text("ship\n")
    with pytest.raises(InputError, match=r"label files of the same images, e\.g\. \S+000000\.png"):
        yolo(tmp_path / "set")


def test_label_files_in_capitals(clip):
    write(clip / "clip", [0])
    write(clip / "clip", [1], "{:06d}.TXT")
    assert not misfits(yolo(clip), clip)


def test_the_output_is_no_other_file(clip):
    write(clip / "clip", range(2))
    before = (clip / "classes.txt").read_text()
    with pytest.raises(InputError, match=r"classes\.txt exists and is no JSON file"):
        convert(clip, clip / "classes.txt", format="yolo")
    assert (clip / "classes.txt").read_text() == before
