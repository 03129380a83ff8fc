import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.dataset_tools.checks import CHECKS, check_content, fix_content
from boxmask_vid.data import load_vid_json
from boxmask_vid.errors import InputError
from support.paths import REPOSITORY

SCRIPT = REPOSITORY / "datasets/check_vid_json.py"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Two videos of three frames."""
    root = tmp_path_factory.mktemp("images")
    for video in "ab":
        (root / video).mkdir()
        for index in range(3):
            noise = np.random.default_rng(index).integers(80, 100, (48, 64, 3), np.uint8)
            cv2.imwrite(str(root / video / f"{index}.jpg"), noise)
    return root


def healthy() -> dict:
    """Tracks 1 and 2, one in each video, that move by a pixel a frame."""
    content = {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "videos": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "images": [],
        "annotations": [],
    }
    for video, name in ((1, "a"), (2, "b")):
        for index in range(3):
            content["images"].append(
                {
                    "id": len(content["images"]) + 1,
                    "video_id": video,
                    "frame_id": index,
                    "file_name": f"{name}/{index}.jpg",
                    "width": 64,
                    "height": 48,
                }
            )
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": len(content["images"]),
                    "category_id": video,
                    "instance_id": video,
                    "bbox": [10 + index, 12, 10, 8],
                }
            )
    return content


def found(content: object, root: Path | None = None, **kwargs) -> dict[str, int]:
    findings = check_content(content, image_root=root, **kwargs).findings.values()
    return {finding.check: finding.count for finding in findings if finding.count}


def test_nothing_is_found_where_nothing_is_wrong(root):
    assert found(healthy(), root) == {}


def image(row: int, **fields: object) -> Callable[[dict], None]:
    return lambda content: content["images"][row].update(fields)


def annotation(row: int, **fields: object) -> Callable[[dict], None]:
    return lambda content: content["annotations"][row].update(fields)


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


def no_list(content: dict) -> None:
    del content["videos"]


BROKEN = {
    "sections and fields": (no_list, image(0, frame_id="one"), annotation(2, bbox=None)),
    "repeated ids": (annotation(1, id=1),),
    "unknown video": (image(5, video_id=9),),
    "unknown image": (annotation(1, image_id=77),),
    "unknown category": (annotation(1, category_id=77),),
    "frame_id repeats": (image(2, frame_id=1),),
    "frame_id gaps": (image(2, frame_id=3), image(0, frame_id=7)),
    "missing images": (image(1, file_name="a/9.jpg"), lambda c: c["images"][1].pop("file_name")),
    "sizes that disagree with the files": (image(1, width=65),),
    "boxes that are no boxes": (
        annotation(0, bbox=[1, 2, 3]),
        annotation(0, bbox=[1, 2, float("nan"), 4]),
        annotation(0, bbox=[1, 2, "3", 4]),
    ),
    "boxes without area": (annotation(0, bbox=[1, 2, 0, 4]), annotation(0, bbox=[1, 2, 3, -4])),
    "boxes outside their image": (annotation(0, bbox=[64, 2, 10, 4]),),
    "boxes over the edge": (annotation(0, bbox=[-3, 12, 20, 8]),),
    "tracks that change class": (annotation(2, category_id=2),),
    "tracks twice on a frame": (annotation(2, image_id=2),),
    "tracks that jump": (annotation(2, bbox=[50, 38, 10, 8]),),
    "track ids used in several videos": (annotation(5, instance_id=1, category_id=1),),
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
    assert errors <= {"frame_id gaps", "unknown image", "tracks twice on a frame"}, counts


def test_all_checks_have_a_test():
    tested_below = {"unreadable images", "splits that share videos"}
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


def broken_in_many_ways() -> dict:
    content = healthy()
    content["images"][1]["frame_id"] = 5  # a gap and a wrong order
    content["images"][4]["file_name"] = "b/9.jpg"
    content["annotations"][0]["bbox"] = [-3, 12, 20, 8]
    content["annotations"][1]["bbox"] = [1, 2, 0, 4]
    content["annotations"][5]["instance_id"] = 1
    content["annotations"][5]["id"] = 1
    content["annotations"].append({**content["annotations"][0], "id": 9, "category_id": 7})
    return content


def test_what_has_one_possible_answer_is_fixed_with_a_sentence_each(root, tmp_path):
    content = broken_in_many_ways()
    untouched = copy.deepcopy(content)
    fixed, done = fix_content(content, check_content(content, image_root=root))
    assert content == untouched
    assert found(fixed, root) == {}
    assert done == [
        "1 images that are missing, unreadable or of unknown videos removed",
        "3 annotations removed (no box, no area, outside, or of nothing known)",
        "3 frames renumbered, in their order",
        "1 boxes clipped to their images",
        "3 tracks renumbered: some ids were used in several videos",
        "annotations renumbered: some ids were repeated",
    ]
    frames = [(image["file_name"], image["frame_id"]) for image in fixed["images"]]
    assert frames == [
        ("a/0.jpg", 0),
        ("a/1.jpg", 2),
        ("a/2.jpg", 1),
        ("b/0.jpg", 0),
        ("b/2.jpg", 1),
    ]
    assert fixed["annotations"][0]["bbox"] == [0, 12, 17, 8]
    (tmp_path / "fixed.json").write_text(json.dumps(fixed))
    assert len(load_vid_json(str(tmp_path / "fixed.json"), str(root))) == 5


def test_a_healthy_file_is_left_alone():
    content = healthy()
    assert fix_content(content, check_content(content)) == (content, [])


def run(*args: object) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, *args]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_script(root, tmp_path):
    path, report, fixed = (tmp_path / name for name in ("a.json", "report.json", "fixed.json"))
    path.write_text(json.dumps(broken_in_many_ways()))
    done = run(path, "--images", root, "--json", report)
    assert done.returncode == 1, done.stderr
    assert "frame_id gaps" in done.stdout
    assert json.loads(report.read_text())["errors"] == 5
    done = run(
        *(path, "--images", root, "--fix", fixed, "--json", report, "--draw", 2),
        *("--output", tmp_path / "drawn"),
    )
    assert done.returncode == 0, done.stderr
    assert "fixed: 3 frames renumbered" in done.stdout
    assert json.loads(report.read_text())["findings"] == []
    pictures = [cv2.imread(str(path)) for path in sorted((tmp_path / "drawn").iterdir())]
    assert len(pictures) == 2
    for picture in pictures:  # the key frame with a green box, and 1 or 2 reference frames
        blue, green, red = np.moveaxis(picture.astype(int), -1, 0)
        assert ((green - np.maximum(red, blue)) > 60).sum() > 50
        assert picture.shape[1] >= 2 * 600


@pytest.mark.slow
def test_warnings_leave_the_exit_status_at_0(root, tmp_path):
    content = healthy()
    a_class_more(content)
    (tmp_path / "a.json").write_text(json.dumps(content))
    done = run(tmp_path / "a.json", "--images", root)
    assert done.returncode == 0, done.stderr
    assert "classes without boxes" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[1, 2", "[]", '{"images": [3]}', None])
def test_a_file_that_is_not_coco_vid_at_all(tmp_path, text):
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    done = run(tmp_path / "a.json", "--fix", tmp_path / "fixed.json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "fixed.json").exists()
