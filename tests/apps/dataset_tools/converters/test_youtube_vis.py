"""YouTube-VIS JSON: objects that are not seen, splits without annotations, other JSON."""

import json
from pathlib import Path

import pytest

from boxmask_vid.errors import InputError
from support.red_boxes import box, boxes_of_pictures, convert, misfits, write_pictures


def write(root: Path, annotations: object, **more: object) -> Path:
    write_pictures(root / "street", range(4), "{:05d}.png")
    video = {
        "id": 1,
        "width": 320,
        "height": 240,
        "file_names": [f"street/{index:05d}.png" for index in range(4)],
        **more,
    }
    content = {"videos": [video], "categories": [{"id": 1, "name": "car"}]}
    if annotations is not ...:
        content["annotations"] = annotations
    (root / "train.json").write_text(json.dumps(content))
    return root / "train.json"


def track(bboxes: object = None, segmentations: object = None, **more: object) -> dict:
    return {
        "video_id": 1,
        "category_id": 1,
        "bboxes": bboxes,
        "segmentations": segmentations,
        **more,
    }


def vis(path: Path) -> dict:
    return convert(path, path.with_name("x.json"), format="youtube-vis")


def around(index: int) -> list:
    x, y, w, h = box(index)
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


NOWHERE = [None] * 4
TRACKS = {
    "null": (track([box(0), None, box(2), None]), (0, 2), ""),
    "empty lists": (track([box(0), [], box(2), []]), (0, 2), ""),
    "no area": (track([box(0), [0, 0, 0, 0], box(2), None]), (0, 2), "1 boxes and masks without"),
    "masks": (track(None, [around(0), None, [], around(3)]), (0, 3), ""),
    "masks where there are no boxes": (
        track([box(0), None, [], None], [None, around(1), around(2), None]),
        (0, 1, 2),
        "",
    ),
    "nothing": (track(NOWHERE, NOWHERE), (), "1 objects without any box or mask left out"),
    "no lists": (track(None, None), (), "1 objects without any box or mask left out"),
    "ids with decimals": (
        {**track([box(0), None, None, None]), "video_id": 1.0, "category_id": 1.0},
        (0,),
        "",
    ),
}


@pytest.mark.parametrize("case", TRACKS)
def test_frames_on_which_an_object_is_not_seen(tmp_path, capsys, case):
    annotation, frames, says = TRACKS[case]
    content = vis(write(tmp_path, [annotation]))
    found = boxes_of_pictures(content)
    assert [index for index, boxes in enumerate(found.values()) if boxes] == list(frames)
    assert misfits(content, tmp_path) == []
    assert len({annotation["instance_id"] for annotation in content["annotations"]}) <= 1
    assert says in capsys.readouterr().out


def test_ignored_objects(tmp_path):
    tracks = [track([box(0), *NOWHERE[1:]], **more) for more in ({"ignore": 1}, {"iscrowd": 1}, {})]
    assert [a["iscrowd"] for a in vis(write(tmp_path, tracks))["annotations"]] == [1, 1, 0]


SIDES = {"width": 320.0, "height": "240", "length": 4}


def test_numbers_with_decimals_and_windows_paths(tmp_path):
    names = [f"street\\{index:05d}.png" for index in range(4)]
    content = vis(write(tmp_path, [track([box(0), *NOWHERE[1:]])], file_names=names, **SIDES))
    assert misfits(content, tmp_path) == []
    assert content["videos"][0]["name"] == "street"


REFUSED = {
    "no annotations": (..., {}, "is a split without annotations, as YouTube-VIS publishes"),
    "null": (None, {}, "is a split without annotations, .*demo.py detects in the images"),
    "half a pixel": ([], {"width": 320.5}, "width is 320.5 and must be a whole number"),
    "another length": ([], {"length": 5}, "'length' is 5, but it has 4 file_names"),
    "another size": ([], {"width": 240, "height": 320}, "sides are swapped.*EXIF"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_with_a_fault_get_a_sentence(tmp_path, case):
    annotations, more, sentence = REFUSED[case]
    with pytest.raises(InputError, match=sentence):
        vis(write(tmp_path, annotations, **more))


OTHER_JSON = {
    "still images": (
        {"id": 1, "file_name": "a.jpg"},
        "COCO JSON of still images.*register_coco_inst",
    ),
    "COCO-VID": (
        {"id": 1, "video_id": 1, "frame_id": 0},
        "is COCO-VID JSON already: check it with",
    ),
}


@pytest.mark.parametrize("case", OTHER_JSON)
def test_json_of_other_kinds_is_told_where_it_goes(tmp_path, case):
    image, sentence = OTHER_JSON[case]
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"images": [image], "categories": [], "annotations": []}))
    with pytest.raises(InputError, match=sentence):
        vis(path)


def content_of(root: Path) -> dict:
    return json.loads(write(root, [track([box(0), None, None, None])]).read_text())


def rewrite(root: Path, content: dict) -> Path:
    (root / "train.json").write_text(json.dumps(content))
    return root / "train.json"


def test_an_object_that_is_given_twice_is_counted(tmp_path, capsys):
    content = content_of(tmp_path)
    first = content["annotations"][0]
    content["annotations"] = [{**first, "id": 1}, {**first, "id": 2}]
    assert len(vis(rewrite(tmp_path, content))["annotations"]) == 1
    assert "1 objects that are given twice left out" in capsys.readouterr().out


def test_videos_of_one_folder_are_named_after_their_ids(tmp_path):
    names = {1: "a_{}.png", 2: "b_{}.png"}
    for name in names.values():
        write_pictures(tmp_path / "images", range(4), name)
    content = content_of(tmp_path)
    content["videos"] = [
        {
            **content["videos"][0],
            "id": key,
            "file_names": [f"images/{n.format(i)}" for i in range(4)],
        }
        for key, n in names.items()
    ]
    converted = vis(rewrite(tmp_path, content))
    assert [video["name"] for video in converted["videos"]] == ["images/1", "images/2"]
    assert misfits(converted, tmp_path) == []


def test_a_video_of_two_clips_is_said(tmp_path, capsys):
    files = [f"images/{clip}_{index}.png" for clip in "ab" for index in range(2)]
    for clip in "ab":
        write_pictures(tmp_path / "images", range(2), clip + "_{}.png")
    content = content_of(tmp_path)
    content["videos"][0]["file_names"] = files
    vis(rewrite(tmp_path, content))
    assert "video 1 has images of 2 clips, images/a" in capsys.readouterr().out


def test_what_is_there_twice(tmp_path):
    content = json.loads(write(tmp_path, []).read_text())
    videos, categories = content["videos"], content["categories"]
    for section, records in (("videos", videos), ("categories", categories)):
        (tmp_path / "twice.json").write_text(json.dumps({**content, section: records * 2}))
        with pytest.raises(InputError, match=r"1 is there twice: give each an id of its own"):
            vis(tmp_path / "twice.json")
    with pytest.raises(InputError, match="'file_names' has an image twice"):
        vis(write(tmp_path, [], file_names=["street/00000.png"] * 2))


def test_a_file_name_that_is_too_long_is_refused(tmp_path):
    files = [f"street/{index}{'1' * 5000}.png" for index in range(4)]
    with pytest.raises(InputError, match=r"'file_names' has 'street/.*too long"):
        vis(write(tmp_path, [], file_names=files))


def corners(index: int, scale: float = 1) -> list[float]:
    x, y, w, h = box(index)
    return [scale * x, scale * y, scale * (x + w), scale * (y + h)]


AREAS = [60 * 40] * 4
FAR = [[200, 150, 260, 190], [220, 150, 280, 190], [10, 5, 70, 45], None]
CORNERS = {
    "masks": (track([corners(i) for i in range(4)], [around(i) for i in range(4)]), "the masks"),
    "areas": (track([corners(i) for i in range(4)], areas=AREAS), "their areas"),
    "beyond": (track(FAR), "otherwise they would end far beyond their images"),
}


@pytest.mark.parametrize("name", CORNERS)
def test_boxes_that_certainly_are_corners_are_refused(tmp_path, name):
    record, reason = CORNERS[name]
    with pytest.raises(InputError, match=f"boxes are x1, y1, x2, y2, as {reason}"):
        vis(write(tmp_path, [record]))


MAY_BE_RIGHT = {
    "a mask says so": track([[100, 60, 280, 170]], [[[100, 60, 320, 60, 320, 230, 100, 230]]]),
    "a broken mask": track([[10, 5, 60, 40]], [{"size": [7, 7], "counts": "nonsense"}]),
    "an area says so": track([[10, 20, 60, 40]], areas=[2400]),
    "an area of a mask": track([[10, 20, 60, 40]], areas=[1800.0]),
    "a little beyond": track([[10, 5, 320, 240]]),
    "one is wider than long": track([[200, 150, 260, 190]]),
    "inside": track([[20, 60, 80, 100]]),
}


@pytest.mark.parametrize("name", MAY_BE_RIGHT)
def test_boxes_that_may_be_right_are_taken_as_they_are(tmp_path, name):
    record = {**MAY_BE_RIGHT[name]}
    for field in ("bboxes", "segmentations", "areas"):
        record[field] = (record.get(field) or [None]) + [None] * 3
    records = [record]
    if name == "one is wider than long":
        records.append(track([[200, 60, 100, 40], None, None, None]))
    boxes = boxes_of_pictures(vis(write(tmp_path, records)))
    given = [next(b for b in r["bboxes"] if b) for r in records]
    assert [b for of_picture in boxes.values() for b in of_picture] == given
