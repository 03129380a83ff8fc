"""MOT, YOLO, VOC and YouTube-VIS as people have them: the right boxes, or the right sentence."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from boxmask_vid.errors import InputError
from support.paths import SHARED
from support.red_boxes import box, boxes_of_pictures, convert, misfits

pytestmark = pytest.mark.needs_shared
CASES = SHARED / "cases/annotations"


@dataclass
class Case:
    """Arguments of a conversion and its result."""

    format: str
    source: str
    root: str | None = None  # None for the default
    more: dict = field(default_factory=dict)  # arguments
    boxes: dict = field(default_factory=dict)  # picture: boxes
    names: list = field(default_factory=list)  # of the videos
    classes: dict = field(default_factory=dict)  # class: its boxes
    tracks: int = 0
    says: str = ""  # in the last lines
    sentence: str = ""
    fits: float | None = 0.6  # pixels to the red box; None for boxes that are not it


def red(pattern, indices, first=0):
    return {pattern.format(index + first): [box(index)] for index in indices}


def moved(boxes, by):
    return {name: [[x + by, y + by, w, h] for x, y, w, h in of] for name, of in boxes.items()}


def mot15(folder, count):
    """Rows at x = 30, 40, ... on the first frame, counted from 1."""
    return {
        f"{folder}/img1/{index + 1:06d}.png": [
            [29 + 10 * row + 6 * index, 59, 60, 40] for row in range(count)
        ]
        for index in range(6)
    }


def rows(name, **result):
    path = f"11_yolo_rows/{name}"
    result.setdefault("names", ["clip"])
    return Case("yolo", f"{path}/labels", f"{path}/frames", **result)


def voc(name, **result):
    path = f"12_voc/{name}"
    result.setdefault("names", ["clip"])
    return Case("voc", f"{path}/labels", f"{path}/frames", fits=None, **result)


def on_first(*boxes):
    return {"clip/000000.png": [list(bbox) for bbox in boxes]}


POLYGON = 32, 24, 96, 72
CVAT = "clip_a/img1/frame_{:06d}.PNG"
OWN = {f"fish/img1/{index + 1:06d}.png": [[19 + 6 * index, 59, 60, 40]] for index in range(3)}
CUT = {f"seq-01/img1/{372 + index:06d}.png": [[19 + 6 * index, 59, 60, 40]] for index in range(6)}
SECOND = [199, 60, 30, 20]
ULTRALYTICS = {
    f"images/{split}/{clip}_mp4-{index:04d}_jpg.rf.{code}.png": [box(index)]
    for split, clip, code in (
        ("train", "clip_a", "0123abcd"),
        ("train", "clip_b", "fedc9876"),
        ("val", "clip_c", "fedc9876"),
    )
    for index in (0, 1, 3)
}
YTVIS = "0062f687f1/{:05d}.png"
CASES_AND_RESULTS = {
    "06_mot15_world": Case(
        "mot",
        "06_mot15_world",
        boxes=mot15("MOT15-low", 3) | mot15("MOT15-neg", 4),
        names=["MOT15-low", "MOT15-neg"],
        classes={"pedestrian": 42},
        tracks=7,
        says="42 boxes have no class in 06_mot15_world and are called pedestrian",
        fits=None,
    ),
    "06_mot15_world, one sequence": Case(
        "mot",
        "06_mot15_world/MOT15-low",
        boxes={name[10:]: boxes for name, boxes in mot15("MOT15-low", 3).items()},
        names=["MOT15-low"],
        classes={"pedestrian": 18},
        tracks=3,
        fits=None,
    ),
    "07_cvat_mot": Case(
        "mot",
        "07_cvat_mot",
        boxes=red(CVAT, range(6)),
        names=["clip_a"],
        classes={"fish": 6},
        tracks=1,
        says="x and y count from 0 where there is a gt/labels.txt",
    ),
    "v_m_mot_cvat": Case(
        "mot",
        "v_m_mot_cvat",
        boxes=red(CVAT, range(6)),
        names=["clip_a"],
        classes={"fish": 6},
        tracks=1,
    ),
    "08_mot_own": Case(
        "mot",
        "08_mot_own",
        boxes=OWN,
        names=["fish"],
        classes={"pedestrian": 3},
        tracks=1,
        says="3 boxes have no class in 08_mot_own and are called pedestrian (--classes NAME",
        fits=1.1,
    ),
    "08_mot_own, named": Case(
        "mot",
        "08_mot_own",
        more={"classes": ["fish"]},
        boxes=OWN,
        names=["fish"],
        classes={"fish": 3},
        tracks=1,
        fits=1.1,
    ),
    "08_mot_own, from zero": Case(
        "mot",
        "08_mot_own",
        more={"corners_from": 0},
        boxes=moved(OWN, 1),
        names=["fish"],
        classes={"pedestrian": 3},
        tracks=1,
    ),
    "08_mot_cut": Case(
        "mot",
        "08_mot_cut",
        boxes=CUT,
        names=["seq-01"],
        classes={"pedestrian": 6},
        tracks=1,
        fits=1.1,
    ),
    "v_n_mot_untracked": Case(
        "mot",
        "v_n_mot_untracked",
        boxes={f"s/img1/{index + 1:06d}.png": [box(index), SECOND] for index in range(3)},
        names=["s"],
        classes={"pedestrian": 6},
        fits=None,
    ),
    "v_o2_mot_gap": Case(
        "mot",
        "v_o2_mot_gap",
        boxes=red("s/img1/{:06d}.png", (0, 1, 3, 4), first=1),
        names=["s"],
        classes={"pedestrian": 4},
        tracks=1,
    ),
    "v_u1_mot_two": Case(
        "mot",
        "v_u1_mot_two",
        boxes=red("a/img1/{:06d}.png", range(3), 1) | red("b/img1/{:06d}.png", range(3), 1),
        names=["a", "b"],
        classes={"pedestrian": 6},
        tracks=2,
    ),
    "09_yolo_conf": Case(
        "yolo",
        "09_yolo_conf/labels",
        "09_yolo_conf/frames",
        sentence=r"sixth column 0.875787 is a confidence, .* predictions .* remove the column",
    ),
    "10_yolo_ultralytics": Case(
        "yolo",
        "10_yolo_ultralytics",
        boxes=ULTRALYTICS,
        names=["train/clip_a_mp4", "train/clip_b_mp4", "val"],
        classes={"drone": 9, "bird": 0},
        says="train has images of 2 clips",
    ),
    "10_yolo_ultralytics, one split": Case(
        "yolo",
        "10_yolo_ultralytics/labels/val",
        boxes={name[11:]: boxes for name, boxes in ULTRALYTICS.items() if "/val/" in name},
        names=["val"],
        classes={"drone": 3, "bird": 0},
    ),
    "11 bom_crlf": rows("bom_crlf", boxes=on_first(box(0)), classes={"ship": 1}),
    "11 commas": rows("commas", sentence="has commas: the columns class x_centre"),
    "11 float_class": rows("float_class", boxes=on_first(box(0)), classes={"ship": 1}),
    "11 mixed": rows("mixed", boxes=on_first(box(0), POLYGON), classes={"ship": 2}, fits=None),
    "11 negative_zero": rows("negative_zero", boxes=on_first((0, 0, 320, 240)), fits=None),
    "11 obb": rows("obb", boxes=on_first(POLYGON), fits=None, says="1 polygons or turned boxes"),
    "11 over_one": rows("over_one", sentence=r"column 4 is 1.02148, which is not within 0 .. 1"),
    "11 polygon": rows("polygon", boxes=on_first(POLYGON), fits=None),
    "v_h_yolo11": Case(
        "yolo",
        "v_h_yolo11",
        boxes=red("obj_train_data/frame_{:06d}.png", (0, 1, 2, 4, 5)),
        names=["v_h_yolo11"],
        classes={"car": 5},
    ),
    "v_s4_yolo_video": Case(
        "yolo",
        "v_s4_yolo_video/labels",
        "v_s4_yolo_video/videos",
        more={"video_files": True},
        sentence=r"numbers from 1 on, and no number 0, .* --first-frame 0 or --first-frame 1",
    ),
    "v_s4_yolo_video, from 1": Case(
        "yolo",
        "v_s4_yolo_video/labels",
        "v_s4_yolo_video/videos",
        more={"video_files": True, "first_number": 1},
        boxes=red("clip_a#{}", range(5)),
        names=["clip_a"],
        fits=None,
    ),
    "12 from_zero": voc("from_zero", boxes=on_first((0, 0, 14, 21)), says="corners count from 0"),
    "12 whole_image_from_zero": voc("whole_image_from_zero", boxes=on_first((0, 0, 320, 240))),
    "12 gb2312": voc("gb2312", boxes=on_first((19, 59, 61, 41)), classes={"汽车": 1}),
    "12 rotated": voc(
        "rotated", boxes=on_first((14.642, 44.647, 70.716, 70.705)), says="1 objects with robndbox"
    ),
    "12 swapped": voc("swapped", sentence="xmin 80, ymin 60, xmax 20, ymax 100 are not the first"),
    "12 floats": voc("floats", boxes=on_first((20.658, 60, 59.542, 40.9)), says="with decimals"),
    "12 junk_after": voc("junk_after", sentence="junk after document element"),
    "12 no_objects": voc("no_objects", sentence="has no boxes and no class names: add --classes"),
    "12 no_objects, named": voc("no_objects", more={"classes": ["car"]}, classes={"car": 0}),
    "12 no_width": voc("no_width", boxes=on_first((19, 59, 1, 41))),
    "v_i_voc_flat": Case(
        "voc",
        "v_i_voc_flat",
        boxes=red("JPEGImages/frame_{:06d}.png", range(3)),
        names=["v_i_voc_flat"],
        classes={"car": 3},
        says="corners count from 1",
    ),
    "v_j_voc_size": Case(
        "voc",
        "v_j_voc_size/labels",
        "v_j_voc_size/frames",
        sentence=r"clip/000000.png is 320 x 240 pixels, .*labels/clip says 640 x 480",
    ),
    "13_ytvis train": Case(
        "youtube-vis",
        "13_ytvis/train_null_masks.json",
        "13_ytvis/JPEGImages",
        boxes={YTVIS.format(5 * index): [box(index)] for index in (0, 2, 3)},
        names=["0062f687f1"],
        tracks=1,
        fits=None,
    ),
    **{
        f"13_ytvis {name}": Case(
            "youtube-vis",
            f"13_ytvis/{name}.json",
            "13_ytvis/JPEGImages",
            sentence=r"is a split without annotations, .* give its train split; demo.py detects",
        )
        for name in ("valid_null", "valid_absent")
    },
    "v_u3_bytetrack": Case(
        "youtube-vis",
        "v_u3_bytetrack/train.json",
        "v_u3_bytetrack",
        sentence=r"is COCO-VID JSON already: check it with check_vid_json.py",
    ),
    "s9_track_id": Case(
        "youtube-vis", "s9_track_id.json", "v_u4", sentence=r"is COCO-VID JSON already: check it"
    ),
    **{
        name: Case(
            "youtube-vis",
            f"{name}.json",
            "v_u4",
            boxes={"c/00000.png": [box(0)]},
            names=["c"],
            tracks=1,
            says="1 boxes and masks without area left out",
        )
        for name in ("u4_ytvis", "u4c_ytvis")
    },
}


@pytest.mark.parametrize("name", CASES_AND_RESULTS)
def test_case(tmp_path: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    case = CASES_AND_RESULTS[name]
    root = None if case.root is None else CASES / case.root
    kwargs = {"format": case.format, "root": root, **case.more}
    output = tmp_path / "out.json"
    if case.sentence:
        with pytest.raises(InputError) as caught:
            convert(CASES / case.source, output, **kwargs)
        assert re.search(case.sentence, str(caught.value)), str(caught.value)
        assert not output.exists()
        return
    content = convert(CASES / case.source, output, **kwargs)
    found = boxes_of_pictures(content)
    assert set(case.boxes) <= set(found)
    for picture, boxes in found.items():
        assert boxes == [pytest.approx(bbox, abs=0.01) for bbox in case.boxes.get(picture, [])]
    assert [video["name"] for video in content["videos"]] == case.names
    categories = {category["id"]: category["name"] for category in content["categories"]}
    labels = [categories[annotation["category_id"]] for annotation in content["annotations"]]
    if case.classes:
        assert {name: labels.count(name) for name in categories.values()} == case.classes
    tracks = {a["instance_id"] for a in content["annotations"] if "instance_id" in a}
    assert len(tracks) == case.tracks
    out = capsys.readouterr().out
    assert case.says in out, out
    if case.fits is not None:
        images = root or (CASES / case.source.replace("/labels/", "/images/"))
        assert not misfits(content, images, tolerance=case.fits)
