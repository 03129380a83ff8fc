"""check_vid_json.py --fix: what it fixes, what it leaves alone, and that it destroys nothing."""

import contextlib
import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.dataset_tools.check_data import check_vid_json
from boxmask_vid.apps.dataset_tools.checks import check_content, fix_content
from boxmask_vid.data import load_vid_json
from boxmask_vid.errors import InputError
from support.vid_content import healthy, write_images


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"))


def found(content: object, root: Path | None = None) -> dict[str, int]:
    findings = check_content(content, image_root=root).findings.values()
    return {finding.check: finding.count for finding in findings if finding.count}


def fix(content: dict, root: Path | None = None) -> tuple[dict, list[str]]:
    untouched = copy.deepcopy(content)
    result = fix_content(content, check_content(content, image_root=root))
    assert content == untouched
    return result


def run(folder: Path, content: object, root: Path | None) -> tuple[bool, dict | None]:
    """Whether the result is valid, and the fixed JSON, if it is written."""
    source, fixed = folder / "source.json", folder / "fixed.json"
    fixed.unlink(missing_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    source.write_text(text)
    is_valid = check_vid_json(source, images=root, fixed=fixed)
    assert source.read_text() == text
    return is_valid, json.loads(fixed.read_text()) if fixed.exists() else None


def test_what_has_one_possible_answer_is_fixed_with_a_sentence_each(root, tmp_path):
    content = healthy()
    content["images"][1]["frame_id"] = 5  # a gap and a wrong order
    content["images"][4]["file_name"] = "b/9.jpg"
    content["annotations"][0]["bbox"] = [-3, 12, 20, 8]
    content["annotations"][1]["bbox"] = [1, 2, 0, 4]
    content["annotations"][5]["instance_id"] = 1
    content["annotations"][5]["id"] = 1
    content["annotations"].append({**content["annotations"][0], "id": 9, "category_id": 7})
    fixed, done = fix(content, root)
    assert found(fixed, root) == {"frames in another order than their numbers": 1}
    assert done == [
        "1 images that are missing or unreadable removed, with 1 boxes",
        "2 annotations removed (unknown category: 1, boxes without area: 1)",
        "3 frames renumbered, in their order",
        "1 boxes clipped to their images",
        "3 tracks renumbered: some ids were used in several videos",
        "4 annotations renumbered: some ids were repeated",
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


def test_a_healthy_file_is_left_alone(root, tmp_path, capsys):
    assert fix(healthy()) == (healthy(), [])
    assert run(tmp_path, healthy(), root) == (True, healthy())
    assert "there was nothing to fix" in capsys.readouterr().out


def changed(section: str, **fields: object) -> dict:
    """A healthy content with fields of the first, or with a callable of every, record changed."""
    content = healthy()
    content[section][0].update(fields)
    return content


def test_unknown_sizes_are_read_from_the_files_and_no_box_is_lost(root, tmp_path, capsys):
    content = healthy()
    content["images"][0].update(width=-1, height=-1)
    content["images"][1].update(width=0)
    del content["images"][2]["width"]
    content["images"][3]["height"] = None
    is_valid, fixed = run(tmp_path, content, root)
    assert (is_valid, fixed) == (True, healthy())
    assert "fixed: 4 sizes of images taken from their files" in capsys.readouterr().out
    is_valid, fixed = run(tmp_path, content, None)  # without the images nobody knows
    assert (is_valid, fixed) == (False, None)
    assert "written nothing" in (said := capsys.readouterr().out)
    assert "--images" in said


def test_boxes_beyond_the_listed_size_but_in_the_file_show_that_the_file_is_right(root, tmp_path):
    content = healthy()
    for image in content["images"]:
        image.update(width=15, height=15)
    is_valid, fixed = run(tmp_path, content, root)
    assert (is_valid, fixed) == (True, healthy())


def test_where_the_size_is_open_no_box_is_cut_or_lost(root, tmp_path):
    content = healthy()
    for image in content["images"][:3]:
        image.update(width=66, height=40)  # which is right does not show
    content["annotations"][0]["bbox"] = [60, 41, 30, 8]  # outside the listed size and over the edge
    is_valid, fixed = run(tmp_path, content, root)
    assert not is_valid
    assert fixed is None or fixed["annotations"] == content["annotations"]
    content["annotations"][0]["bbox"] = [60, 20, 30, 8]
    is_valid, fixed = run(tmp_path, content, root)
    assert not is_valid  # the sizes still disagree
    assert fixed["annotations"] == content["annotations"]


@pytest.mark.parametrize("kind", ["wrong root", "unreadable"])
def test_nothing_is_removed_where_all_images_are_missing(root, tmp_path, capsys, kind):
    wrong = tmp_path / "frames"
    wrong.mkdir()
    if kind == "unreadable":
        for path in write_images(wrong).rglob("*.jpg"):
            path.write_bytes(b"")
    assert run(tmp_path, healthy(), wrong) == (False, None)
    said = capsys.readouterr().out
    verb = "is" if kind == "wrong root" else "can be read"
    assert f"none of the 6 images {verb} below {wrong}: check --images" in said
    assert f"--fix has written nothing to {tmp_path / 'fixed.json'}" in said


def test_backslashes_become_slashes(root, tmp_path):
    content = healthy()
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("/", "\\")
    assert run(tmp_path, content, root) == (True, healthy())


def test_values_of_another_kind():
    content = healthy()
    for annotation, track in zip(
        content["annotations"], ["7", 7.0, 7, "-1", None, [1, 2]], strict=True
    ):
        annotation["instance_id"] = track
    content["annotations"][0]["bbox"] = ["10", "12", "10", "8"]
    content["annotations"][1]["area"] = "big"
    content["annotations"][2]["iscrowd"] = "0"
    content["categories"][0]["name"] = 3
    fixed, done = fix(content)
    assert found(fixed) == {}
    assert [annotation.get("instance_id") for annotation in fixed["annotations"]] == [
        *(7, 7, 7, -1),
        *(None, None),
    ]
    assert fixed["annotations"][0]["bbox"] == [10, 12, 10, 8]
    assert "area" not in fixed["annotations"][1]
    assert len(done) == 6


def test_tracks_with_names_are_numbered_and_track_id_stays_track_id():
    content = healthy()
    for annotation, track in zip(
        content["annotations"], ["car", "bus", "car", "b1", "b1", "b1"], strict=True
    ):
        annotation["track_id"] = track
        del annotation["instance_id"]
    fixed, done = fix(content)
    assert [annotation["track_id"] for annotation in fixed["annotations"]] == [1, 2, 1, 3, 3, 3]
    assert done == ["3 tracks that were no whole numbers numbered"]


def test_ids_and_sizes_as_text_or_fraction_become_numbers(root, tmp_path, capsys):
    content = healthy()
    for image in content["images"]:
        image.update(id=str(image["id"]), width=64.0, frame_id=f"{image['frame_id']}.0")
    for annotation in content["annotations"]:
        annotation["image_id"] = float(annotation["image_id"])
    assert run(tmp_path, content, root) == (True, healthy())
    assert "fixed: 24 ids and sizes written as text or fraction" in capsys.readouterr().out
    assert run(tmp_path, content, tmp_path) == (False, None)
    assert "none of the 6 images is below" in capsys.readouterr().out


def test_annotations_of_no_form_do_not_keep_the_others_from_being_fixed(root, tmp_path, capsys):
    content, expected = healthy(), healthy()
    content["annotations"][1:2] = ["a text", {"id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    del content["annotations"][-1]["id"]
    expected["annotations"].pop(1)
    assert run(tmp_path, content, root) == (True, expected)
    said = capsys.readouterr().out
    assert "fixed: 2 annotations that name no image or no category removed" in said
    assert "fixed: 1 annotations without an id numbered" in said
    for annotation in content["annotations"][2:]:
        annotation.pop("image_id", None)
    del content["annotations"][0]["category_id"]
    assert run(tmp_path, content, root) == (False, None)


def test_a_byte_order_mark_is_no_fault(root, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(healthy()), encoding="utf-8-sig")
    assert check_vid_json(path, images=root)


def test_a_video_that_is_not_listed_is_added():
    content = healthy()
    content["videos"].pop()
    fixed, done = fix(content)
    assert fixed["videos"][1] == {"id": 2, "name": "2"}
    assert done == ["1 videos that images name added to 'videos'"]
    assert len(fixed["images"]) == 6


OPEN = {  # several answers, or none: nothing is written
    "repeated frame": (lambda c: c["images"][1].update(frame_id=0), "repeats frame_id 0"),
    "repeated image": (lambda c: c["images"][1].update(id=1), "more than once"),
    "only unknown classes": (
        lambda c: [item.update(category_id=9) for item in c["annotations"]],
        "category_id 9, which is not in 'categories'",
    ),
    "text as id": (lambda c: c["images"][0].update(id="first"), "correct first"),
    "ids that become equal": (lambda c: c["images"][1].update(id="01"), "more than once"),
    "no list": (lambda c: c.pop("videos"), "correct first"),
}


@pytest.mark.parametrize("case", OPEN)
def test_what_is_open_is_not_written_and_said(root, tmp_path, capsys, case):
    break_it, reason = OPEN[case]
    content = healthy()
    break_it(content)
    assert run(tmp_path, content, root) == (False, None)
    said = capsys.readouterr().out
    assert f"--fix has written nothing to {tmp_path / 'fixed.json'}: " in said
    assert reason in said


@pytest.mark.parametrize("kind", ["itself", "link", "hard link", "unfinished", "other", "report"])
def test_the_input_is_never_written_over(tmp_path, kind):
    source = tmp_path / "source.json"
    source.write_text(text := json.dumps(healthy()))
    other = tmp_path / ("fixed.json.unfinished" if kind == "unfinished" else "other.json")
    if kind == "link":
        other.symlink_to(source)
    elif kind == "hard link":
        os.link(source, other)
    else:
        other.write_text(text)
    kwargs = {
        "itself": {"fixed": tmp_path / ".." / tmp_path.name / "source.json"},
        "link": {"fixed": other},
        "hard link": {"fixed": other},
        "unfinished": {"fixed": tmp_path / "fixed.json", "others": [other]},
        "other": {"fixed": other, "others": [other]},
        "report": {"report": source},
    }[kind]
    with pytest.raises(InputError, match=r"would be written over the input .*: choose another"):
        check_vid_json(source, images=None, **kwargs)
    assert source.read_text() == text
    assert other.read_text() == text


def test_report_and_fixed_file_are_not_the_same(tmp_path):
    source, out = tmp_path / "source.json", tmp_path / "out.json"
    source.write_text(json.dumps(healthy()))
    with pytest.raises(InputError, match=r"--json .* would be written over --fix "):
        check_vid_json(source, images=None, fixed=out, report=out)


STRANGE = [
    *(None, True, -1, 0, 1, 2, 7, 2**70, 1.5, 2.0, float("nan"), float("inf"), "", "1", "x"),
    *([], [1], [1, 2, 3, 4], ["1", "2", "3", "4"], {}, {"a": 1}, "a\\0.jpg", "\0", "../x" * 99),
]


def break_content(content: dict, chance: random.Random) -> Callable[[], None] | None:
    """Break a content in one place."""
    section = chance.choice(list(content))
    records = content[section]
    action = chance.choice(["set", "set", "set", "set", "pop", "drop", "double", "swap", "list"])
    if action == "list" and chance.random() < 0.3:
        content[section] = chance.choice(STRANGE)
    elif not isinstance(records, list) or not records:
        return
    elif action == "drop":
        records.pop(chance.randrange(len(records)))
    elif action == "double":
        records.append(copy.deepcopy(chance.choice(records)))
    elif action == "swap":
        records[chance.randrange(len(records))] = chance.choice(STRANGE)
    elif isinstance(record := chance.choice(records), dict) and record:
        fields = [*record, "iscrowd", "ignore", "area", "track_id", "is_vid_train_frame"]
        field = chance.choice(fields)
        if action == "pop":
            record.pop(field, None)
        elif field == "bbox" and chance.random() < 0.7:
            record[field] = [chance.choice([*range(-9, 70), 1e308, "3"]) for _ in range(4)]
        else:
            record[field] = copy.deepcopy(chance.choice(STRANGE))


def good_boxes(content: object) -> set[tuple]:
    """Boxes that any reader takes: of a known image and class, inside, with an area."""
    names, classes, boxes = {}, set(), set()
    for section in ("images", "categories", "annotations"):
        for record in content[section] if isinstance(content.get(section), list) else ():
            with contextlib.suppress(TypeError, KeyError, AttributeError, ValueError):
                if section == "images":
                    names[record["id"]] = record["file_name"]
                elif section == "categories":
                    classes.add(record["id"])
                elif record["category_id"] in classes:
                    x, y, width, height = record["bbox"]
                    if 0 <= x < x + width <= 64 and 0 <= y < y + height <= 48:
                        boxes.add((names[record["image_id"]], x, y, width, height))
    return boxes


@pytest.mark.parametrize("seed", range(6))
def test_fuzz_no_traceback_no_good_box_lost_and_what_is_written_can_be_loaded(
    root, tmp_path, seed, capsys
):
    chance, written = random.Random(seed), 0
    existing = {f"{video}/{index}.jpg" for video in "ab" for index in range(3)}
    for _ in range(60):
        content = healthy()
        for _ in range(chance.choice([1, 1, 2, 3])):
            break_content(content, chance)
        used = chance.choice([root, root, None])
        if used is None and isinstance(content["images"], list):
            for record in content["images"]:  # the listed size is all that is known
                with contextlib.suppress(AttributeError):
                    record.update(width=64, height=48)
        is_valid, fixed = run(tmp_path, content, used)
        said = capsys.readouterr().out
        if fixed is None:
            assert not is_valid
            assert "--fix has written nothing" in said
            continue
        written += 1
        records = load_vid_json(str(tmp_path / "fixed.json"), str(root))
        assert records
        lost = {box for box in good_boxes(content) - good_boxes(fixed) if box[0] in existing}
        assert not lost, (content, said)
    assert written > 12


def test_a_picture_of_another_size_is_not_resized_by_chance(root, tmp_path):
    """Half the frames of a video have another size: each gets its own."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_images(folder)
    cv2.imwrite(str(folder / "a/1.jpg"), np.zeros((96, 128, 3), np.uint8))
    content = healthy()
    for image in content["images"]:
        image.update(width=-1, height=-1)
    is_valid, fixed = run(tmp_path, content, folder)
    assert is_valid
    sizes = [(image["width"], image["height"]) for image in fixed["images"]]
    assert sizes == [(64, 48), (128, 96), *[(64, 48)] * 4]
