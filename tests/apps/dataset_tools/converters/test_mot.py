"""MOTChallenge lists: what columns and numbers of frames mean."""

import shutil
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


def write(
    root: Path,
    rows: str,
    *,
    labels: str = "",
    info: str = "",
    pictures: tuple = (6, 1, "{:06d}.png"),
    folder: str = "street",
) -> Path:
    """Write a sequence; ``{x}`` in ``rows`` is written once for each frame."""
    gt = root / folder / "gt/gt.txt"
    gt.parent.mkdir(parents=True)
    if "{x}" in rows:
        first = int(rows.partition(",")[0])
        tail = rows.partition(",")[2]
        rows = "\n".join(f"{first + i},{tail.format(x=box(i)[0] + (not labels))}" for i in range(6))
    gt.write_text(rows)
    if labels:
        (gt.parent / "labels.txt").write_text(labels)
    if info:
        (root / folder / "seqinfo.ini").write_text(f"[Sequence]\n{info}\n")
    count, first, name = pictures
    write_pictures(root / folder / "img1", range(count), name, first)
    return root


def mot(root: Path, **kwargs) -> dict:
    return convert(
        root, (root if root.is_dir() else root.parent) / "out/x.json", format="mot", **kwargs
    )


def classes(content: dict) -> list[str]:
    names = {category["id"]: category["name"] for category in content["categories"]}
    return sorted({names[annotation["category_id"]] for annotation in content["annotations"]})


# columns of a row, gt/labels.txt: the class
COLUMNS = {
    "six columns": ("1,1,{x},61,60,40", "", "pedestrian"),
    "seven columns": ("1,1,{x},61,60,40,1", "", "pedestrian"),
    "eight columns": ("1,1,{x},61,60,40,1,3", "", "car"),
    "nine columns": ("1,1,{x},61,60,40,1,3,0.5", "", "car"),
    "numbers with decimals": ("1,1.0,{x},61,60.0,40.0,1.0,3.0,1.0", "", "car"),
    "a comma at the end": ("1,1,{x},61,60,40,1,3,0.5,", "", "car"),
    "spaces": ("1, 1, {x}, 61, 60, 40, 1, 3, 0.5", "", "car"),
    "MOT15": ("1,1,{x},61,60,40,1,-1,-1,-1", "", "pedestrian"),
    "MOT15 with metres": ("1,1,{x},61,60,40,1,2.5,-1,0", "", "pedestrian"),
    "metres in nine columns": ("1,1,{x},61,60,40,1,2.5,4.5", "", "pedestrian"),
    "names of CVAT": ("1,1,{x},60,60,40,1,2,1.0", "cat\nfish\n", "fish"),
    "ten columns and names": ("1,1,{x},60,60,40,1,2,1.0,-1", "cat\nfish\n", "fish"),
    "no class and one name": ("1,1,{x},60,60,40,1,-1,1.0", "fish\n", "fish"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns(tmp_path, case):
    rows, labels, name = COLUMNS[case]
    root = write(tmp_path, rows, labels=labels)
    content = mot(root)
    assert classes(content) == [name]
    assert len(content["annotations"]) == 6
    assert misfits(content, root) == []


REFUSED = {
    "whole metres or classes": (
        "1,1,20,60,60,40,1,4,5,0\n",
        "",
        r"ten columns, the eighth of them with whole numbers, which can be classes or metres",
    ),
    "metres and names": ("1,1,20,60,60,40,1,4.5,5.5,0\n", "cat\n", "class 4.5 is not a whole"),
    "no class and names": ("1,1,20,60,60,40,1,-1,1\n", "cat\nfish\n", "names 2: write the number"),
    "confidences": ("1,1,20,60,60,40,0.87,1,1\n", "", "flag is 0.87, not 0 or 1: if it is a conf"),
    "a column at the front": ("0,1,1,20,60,60,40,1,1\n", "", "flag is 40, not 0 or 1"),
    "eleven columns": ("1,1,20,60,60,40,1,1,1,-1,-1\n", "", "has 11 columns, not frame, id"),
    "five columns": ("1,20,60,60,40\n", "", "has 5 columns, not frame, id"),
    "a longer row": ("1,1,20,60,60,40,1,1,1\n2,1,20,60,60,40,1,1\n", "", "line 2 has 8 columns"),
    "class 0": ("1,1,20,60,60,40,1,0,1\n", "", "class 0 is not one of 1 to 13.*gt/labels.txt"),
    "a visibility of 5": ("1,1,20,60,60,40,1,1,5\n", "", "visibility 5 is not within 0 .. 1"),
    "half a frame": ("1.5,1,20,60,60,40\n", "", "the frame is 1.5 and must be a whole number"),
    "a header": ("frame,id,x,y,w,h\n1,1,20,60,60,40\n", "", "the frame is 'frame'"),
    "a track twice": (
        "1,1,20,60,60,40\n1,1,90,60,60,40\n",
        "",
        r"line 2: track 1 has another box on the same frame in .*line 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rows_with_a_fault_get_a_sentence(tmp_path, case):
    rows, labels, sentence = REFUSED[case]
    with pytest.raises(InputError, match=sentence):
        mot(write(tmp_path, rows, labels=labels))


CUT, CVAT = (6, 372, "{:06d}.png"), (6, 0, "frame_{:06d}.PNG")
ROW, CVAT_ROW = "{},1,{{x}},61,60,40,1,1,1", "{},1,{{x}},60,60,40,1,1,1"
# first number in the list, pictures, labels.txt, seqinfo.ini
FRAMES = {
    "from 1": (1, (6, 1, "{:06d}.png"), "", ""),
    "pictures from 0": (1, (6, 0, "{:06d}.png"), "", ""),
    "pictures from 0, length known": (1, (6, 0, "{:06d}.png"), "", "seqLength=6"),
    "both from 0": (0, (6, 0, "{:06d}.png"), "", ""),
    "list from 0": (0, (6, 1, "{:06d}.png"), "", ""),
    "unpadded": (1, (6, 8, "f{}.png"), "", "seqLength=6"),
    "cut": (372, CUT, "", ""),
    "cut, length known": (372, CUT, "", "seqLength=6"),
    "cut, list from 1": (1, CUT, "", ""),
    "CVAT": (1, CVAT, "fish\n", ""),
    "CVAT, a part": (1, (6, 372, "frame_{:06d}.PNG"), "fish\n", ""),
    "CVAT, names that are numbers": (0, (6, 0, "{:06d}.png"), "fish\n", ""),
}


@pytest.mark.parametrize("case", FRAMES)
def test_numbers_of_frames(tmp_path, case):
    first, pictures, labels, info = FRAMES[case]
    row = CVAT_ROW if labels else ROW
    root = write(tmp_path, row.format(first), labels=labels, info=info, pictures=pictures)
    content = mot(root)
    assert len(content["annotations"]) == 6
    assert misfits(content, root) == []


def test_names_that_are_numbers_without_a_box_on_the_first(tmp_path):
    """CVAT writes such names as numbers of frames."""
    rows = "".join(f"{i},1,{box(i)[0]},60,60,40,1,1,1\n" for i in range(1, 4))
    root = write(tmp_path, rows, labels="fish\n", pictures=(6, 0, "{:06d}.png"))
    assert misfits(mot(root), root) == []


def test_a_picture_is_missing(tmp_path):
    root = write(tmp_path, ROW.format(1))
    gone = root / "street/img1/000003.png"
    gone.unlink()
    with pytest.raises(InputError, match=r"boxes on frames 1, 2, ..., 6, the 5 pictures .*"):
        mot(root)
    gt = root / "street/gt/gt.txt"
    gt.write_text("".join(gt.read_text().splitlines(keepends=True)[i] + "\n" for i in (0, 1, 4)))
    content = mot(root)
    assert len(content["annotations"]) == 3
    assert misfits(content, root) == []


def test_two_readings_of_numbers_get_a_sentence(tmp_path):
    """Pictures 0 to 5 and boxes on 1 to 3: frame 1 may be picture 0 or 1."""
    rows = "".join(f"{i},1,{box(i)[0] + 1},61,60,40,1,1,1\n" for i in range(1, 4))
    root = write(tmp_path, rows, pictures=(6, 0, "{:06d}.png"))
    with pytest.raises(
        InputError, match=r"does not tell which picture is which frame: .*seqLength"
    ):
        mot(root)


INFO = {
    "a picture too many": ("seqLength=5", r"5 frames .* street/img1 has 6 pictures"),
    "another size": ("imWidth=640\nimHeight=480", r"320 x 240 pixels, .*gt.txt says 640 x 480"),
    "swapped sides": ("imWidth=240\nimHeight=320", r"sides are swapped.*EXIF"),
    "no length": ("seqLength=0", r"seqLength is 0"),
}


@pytest.mark.parametrize("case", INFO)
def test_seqinfo_is_compared(tmp_path, case):
    info, sentence = INFO[case]
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n", info=info)
    with pytest.raises(InputError, match=sentence):
        mot(root)


def test_ids_of_minus_one_are_no_tracks(tmp_path):
    root = write(
        tmp_path, "1,-1,21,61,60,40,1,1,1\n1,-1,200,61,30,20,1,1,1\n2,7,27,61,60,40,1,1,1\n"
    )
    tracks = ["instance_id" in annotation for annotation in mot(root)["annotations"]]
    assert tracks == [False, False, True]


def test_a_doubled_row_is_counted(tmp_path, capsys):
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n1,1,21,61,60,40,1,1,1\n")
    assert boxes_of_pictures(mot(root))["street/img1/000001.png"] == [box(0)]
    assert "1 boxes that are given twice left out" in capsys.readouterr().out


def test_folders_without_annotations_are_named(tmp_path, capsys):
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n", folder="train/street")
    write_pictures(root / "test/road/img1", range(2))
    (root / "test/road/seqinfo.ini").write_text("[Sequence]\nseqLength=2\n")
    (root / "__MACOSX/street/gt").mkdir(parents=True)
    (root / "__MACOSX/street/gt/gt.txt").write_text("1\n")
    content = mot(root)
    assert [video["name"] for video in content["videos"]] == ["train/street"]
    out = capsys.readouterr().out
    assert "2 folders left out, without gt/gt.txt: test, test/road" in out
    assert "1 folders of images without annotations left out" in out


def test_own_classes_are_named_in_a_file(tmp_path):
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n")
    with pytest.raises(
        InputError, match="'pedestrian' is not one of fish: name your own classes in"
    ):
        mot(root, classes=["fish"])
    root = write(tmp_path / "more", "1,1,21,61,60,40,1,-1,-1,-1\n")
    with pytest.raises(InputError, match=r"the box has no class, and --classes names 2"):
        mot(root, classes=["fish", "crab"])


def test_a_file_is_no_folder(tmp_path):
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n")
    with pytest.raises(InputError, match=r"gt.txt is a file: give the folder of its sequence"):
        mot(root / "street/gt/gt.txt")


def test_pictures_beside_the_list(tmp_path):
    root = write(tmp_path, "1,1,21,61,60,40,1,1,1\n")
    for path in (root / "street/img1").iterdir():
        path.rename(root / "street" / path.name)
    assert misfits(mot(root), root) == []


def test_rows_with_flag_0(tmp_path, capsys):
    """They are ignored where others of their class are objects, and people are; others go."""
    rows = (
        "1,1,21,61,60,40,1,1,1\n1,2,90,61,60,40,0,1,1\n1,3,90,61,60,40,0,7,1\n1,4,9,9,9,9,0,3,1\n"
    )
    content = mot(write(tmp_path / "set", rows))
    assert [annotation["iscrowd"] for annotation in content["annotations"]] == [0, 1, 1]
    assert "1 car, with flag 0 left out" in capsys.readouterr().out
    with pytest.raises(
        InputError, match=r"no boxes \(2 boxes without a class, with flag 0 left out"
    ):
        mot(write(tmp_path / "none", "1,1,21,61,60,40,0\n2,1,27,61,60,40,0\n"))


def test_corners_can_be_told(tmp_path, capsys):
    root = write(tmp_path, "1,1,20,60,60,40,1,1,1\n")
    assert misfits(mot(root), root) != []
    assert "x and y count from 1, as those of the MOTChallenge do" in capsys.readouterr().out
    assert misfits(mot(root, corners_from=0), root) == []
    assert "count from" not in capsys.readouterr().out
    with pytest.raises(InputError, match="--corners-from 0 is for mot and voc"):
        convert(root, root / "x.json", format="yolo", corners_from=0)


def test_sentences_have_the_numbers_of_the_list(tmp_path):
    root = write(tmp_path, ROW.format(1), info="seqLength=6")
    (root / "street/img1/000003.png").unlink()
    with pytest.raises(InputError, match=r"6 frames \(1, 2, ..., 6\).* picture of frame 3, which"):
        mot(root)
    root = write(tmp_path / "video", ROW.format(1))
    write_video(root / "street.mp4", frames=4)
    with pytest.raises(InputError, match=r"line 5 annotates frame 5, which street.mp4 with its 4"):
        mot(root, video_files=True)


def test_the_output_is_never_the_input(tmp_path):
    root = write(tmp_path, ROW.format(1))
    gt = root / "street/gt/gt.txt"
    with pytest.raises(InputError, match="is the annotation file itself: write another file"):
        convert(gt, gt, format="mot")
    assert gt.read_text()


def test_an_archive_of_cvat(tmp_path):
    rows = CVAT_ROW.format(1)
    root = write(tmp_path / "clip_a", rows, labels="fish\n", pictures=CVAT, folder=".")
    shutil.make_archive(str(tmp_path / "task"), "zip", root)
    kwargs = {"format": "mot", "extract": tmp_path / "unpacked"}
    content = convert(tmp_path / "task.zip", tmp_path / "x.json", **kwargs)
    assert [video["name"] for video in content["videos"]] == ["task"]
    assert misfits(content, tmp_path / "unpacked/task") == []
