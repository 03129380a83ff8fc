import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json
from boxmask_vid.apps.dataset_tools.checks import CHECKS, check_content
from boxmask_vid.errors import InputError
from support.paths import REPOSITORY
from support.vid_content import healthy, write_images

SCRIPT = REPOSITORY / "datasets/check_vid_json.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def found(content: object, root: Path | None = None, **kwargs) -> dict[str, int]:
    findings = check_content(content, image_root=root, **kwargs).findings.values()
    return {finding.check: finding.count for finding in findings if finding.count}


def test_nothing_is_found_where_nothing_is_wrong(root):
    assert found(healthy(), root) == {}


def test_what_was_looked_at_is_said(root, tmp_path, capsys):
    path = tmp_path / "healthy.json"
    path.write_text(json.dumps(healthy()))
    counts = [len(healthy()[name]) for name in ("videos", "images", "annotations")]
    first = "{}: {} videos, {} frames, {} boxes".format(path, *counts)
    assert check_vid_json(path, images=root)
    assert capsys.readouterr().out.splitlines() == [first, "no errors, no warnings"]
    assert check_vid_json(path, images=None)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "no errors, no warnings",
        "image files were not looked at: add --images",
    ]


def image(row: int, **fields: object) -> Callable[[dict], None]:
    return lambda content: content["images"][row].update(fields)


def annotation(row: int, **fields: object) -> Callable[[dict], None]:
    return lambda content: content["annotations"][row].update(fields)


def category(row: int, **fields: object) -> Callable[[dict], None]:
    return lambda content: content["categories"][row].update(fields)


def all_boxes(**fields: object) -> Callable[[dict], None]:
    return lambda content: [item.update(fields) for item in content["annotations"]]


def a_clip_more(content: dict) -> None:
    """A video with the frames of another one behind its own."""
    for frame in content["images"][3:]:
        frame.update(video_id=1, frame_id=frame["frame_id"] + 3)
    content["annotations"] = content["annotations"][:3]
    content["videos"].pop()


def a_stray_file(content: dict) -> None:
    for index, frame in enumerate(content["images"][:3]):
        frame["file_name"] = "a/other_7.jpg" if index == 2 else f"a/cam_{index}.jpg"


def clips_after_the_number(content: dict) -> None:
    names = ["a/0000_a.jpg", "a/0000_b.jpg", "a/0001_a.jpg"]
    for frame, name in zip(content["images"][:3], names, strict=True):
        frame["file_name"] = name


def order_of_texts(content: dict) -> None:
    """1, 10, 2: as file names are sorted by their letters."""
    for frame, number in zip(content["images"][:3], (1, 10, 2), strict=True):
        frame["file_name"] = f"a/{number}.jpg"


def without_frames(content: dict) -> None:
    content["videos"].append({"id": 3, "name": "c"})


def keys_in_one_video(content: dict) -> None:
    content["images"][0]["is_vid_train_frame"] = True


def a_class_more(content: dict) -> None:
    content["categories"].append({"id": 3, "name": "cow"})


def many_cats(content: dict) -> None:
    content["annotations"] += [
        {**content["annotations"][0], "id": 100 + i, "instance_id": -1} for i in range(400)
    ]


def all_corners(content: dict) -> None:
    for item in content["annotations"]:
        item.pop("area", None)
        item["bbox"] = [40, 30, 50, 38]  # of images of 64 x 48


def all_corners_with_areas(content: dict) -> None:
    for item in content["annotations"]:
        x, y, w, h = item["bbox"]
        item.update(bbox=[x, y, x + w, y + h], area=w * h)


def no_list(content: dict) -> None:
    del content["videos"]


BROKEN = {
    "sections and fields": (no_list, image(0, frame_id="one"), category(0, name=3)),
    "empty lists": (lambda c: c.update(categories=[]), lambda c: c.update(images=[])),
    "optional fields": (annotation(0, instance_id=[1]), annotation(0, ignore="x", area="big")),
    "no boxes": (lambda c: c.update(annotations=[]), all_boxes(iscrowd=1), all_boxes(ignore=1)),
    "repeated ids": (annotation(1, id=1),),
    "unknown video": (image(5, video_id=9),),
    "unknown image": (annotation(1, image_id=77),),
    "unknown category": (annotation(1, category_id=77),),
    "frame_id repeats": (image(2, frame_id=1),),
    "frame_id gaps": (image(2, frame_id=3), image(0, frame_id=7)),
    "file names": (lambda c: c["images"][1].pop("file_name"),),
    "missing images": (image(1, file_name="a/9.jpg"), image(1, file_name="a/1.jpg/b.jpg")),
    "unknown sizes": (
        image(1, width=-1),
        image(1, height=None),
        lambda c: c["images"][1].pop("width"),
    ),
    "sizes that disagree with the files": (image(1, width=65),),
    "boxes that are no boxes": (
        annotation(2, bbox=None),
        annotation(0, bbox=[1, 2, 3]),
        annotation(0, bbox=[1, 2, float("nan"), 4]),
        annotation(0, bbox=[1, 2, "3", 4]),
    ),
    "boxes without area": (annotation(0, bbox=[1, 2, 0, 4]), annotation(0, bbox=[1, 2, 3, -4])),
    "boxes outside their image": (annotation(0, bbox=[64, 2, 10, 4]),),
    "boxes that are corners": (all_corners, all_corners_with_areas),
    "boxes over the edge": (annotation(0, bbox=[-3, 12, 20, 8]),),
    "tracks that change class": (annotation(2, category_id=2),),
    "tracks twice on a frame": (annotation(2, image_id=2),),
    "tracks that jump": (annotation(2, bbox=[50, 38, 10, 8]),),
    "track ids used in several videos": (annotation(5, instance_id=1, category_id=1),),
    "ignored boxes": (annotation(0, iscrowd=1), annotation(0, ignore=1)),
    "files listed twice": (image(1, file_name="a/0.jpg"),),
    "videos of several clips": (a_clip_more, a_stray_file, clips_after_the_number),
    "frames in another order than their numbers": (order_of_texts,),
    "videos without frames": (without_frames,),
    "videos without key frames": (keys_in_one_video,),
    "classes without boxes": (a_class_more,),
    "class imbalance": (many_cats,),
}
CASES = [(check, break_it) for check, breakers in BROKEN.items() for break_it in breakers]


@pytest.mark.parametrize(("check", "break_it"), CASES)
def test_every_check_finds_its_fault(root, check, break_it):
    content = healthy()
    break_it(content)
    counts = found(content, root)
    assert counts.get(check), counts
    errors = {name for name in counts if CHECKS[name]} - {check}
    # nothing else is called an error, but for what follows from the fault itself
    follows = {"frame_id gaps", "unknown image", "tracks twice on a frame", "no boxes"}
    follows |= {"missing images", "unknown category", "frame_id repeats"}
    assert errors <= follows, counts


def test_all_checks_have_a_test():
    tested_below = {"unreadable images", "splits that share videos", "splits whose classes differ"}
    assert set(CHECKS) == set(BROKEN) | tested_below


@pytest.mark.parametrize("decode", [True, False])
def test_truncated_images_are_found_by_decoding_them(root, tmp_path, decode):
    for path in root.rglob("*.jpg"):
        (tmp_path / path.relative_to(root)).parent.mkdir(exist_ok=True)
        (tmp_path / path.relative_to(root)).write_bytes(path.read_bytes())
    whole = (tmp_path / "a/1.jpg").read_bytes()
    (tmp_path / "a/1.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b/1.jpg").write_text("no image")
    counts = found(healthy(), tmp_path, decode=decode)
    assert counts == {"unreadable images": 2 if decode else 1}


def test_splits_that_share_videos():
    other = healthy()
    other["videos"][0]["name"] = "c"
    assert found(healthy(), others=[("val.json", other)]) == {"splits that share videos": 1}
    for content in (unnamed := copy.deepcopy(healthy()), other):
        for video in content["videos"]:
            del video["name"]
    assert found(unnamed, others=[("val.json", other)]) == {"splits that share videos": 2}


@pytest.mark.parametrize("other", [[], {"videos": 3}, {**healthy(), "images": [1]}])
def test_another_split_that_is_not_coco_vid_gets_a_sentence(other):
    with pytest.raises(InputError, match=r"val\.json is not a COCO-VID JSON"):
        check_content(healthy(), others=[("val.json", other)])


def test_splits_whose_classes_differ():
    other = healthy()
    other["categories"].reverse()
    assert "splits whose classes differ" not in found(healthy(), others=[("val.json", other)])
    other["categories"][0]["id"], other["categories"][1]["id"] = 1, 2
    assert found(healthy(), others=[("val.json", other)])["splits whose classes differ"] == 1


def test_files_with_backslashes_are_missing_and_named_as_such(root):
    content = healthy()
    content["images"][1]["file_name"] = "a\\1.jpg"
    findings = check_content(content, image_root=root).findings
    assert findings["missing images"].first == [f"{root}/a\\1.jpg (with / for \\ it is there)"]


def test_roboflow_names_of_one_clip_are_one_clip():
    content = healthy()
    for frame in content["images"]:
        number, clip = frame["frame_id"], frame["file_name"][0]
        frame["file_name"] = f"{clip}/clip_mp4-{number}_jpg.rf.0a{number}b{number}c.jpg"
    assert found(content) == {}
