"""demo.py --export: what is written is read back to the boxes of the JSON lines."""

import json
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid
from boxmask_vid.apps.result_formats import FORMATS
from boxmask_vid.apps.video_demo import demo
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoFile
from support.demo_runs import FRAMES, run_demo
from support.result_formats import CONVERTERS

NAMES = [f"class {index}" for index in range(4)]


def exports(folder: Path) -> list[str]:
    """Words of all exports, one file or folder each."""
    paths = {name: folder / f"{name}{FORMATS[name].suffix}" for name in FORMATS}
    paths["mot"] = folder / "mot"  # with what the converter needs
    return [word for name, path in paths.items() for word in ("--export", f"{name}={path}")]


def boxes_of_lines(path: Path) -> list[tuple]:
    """(frame, class, corners) of the JSON lines, in order."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(
        (record["frame"], row["class"], tuple(np.round(row["box"], 3)))
        for record in records
        for row in record["detections"]
    )


def boxes_read_back(name: str, folder: Path, root: Path, *, in_files: bool = True) -> list[tuple]:
    path = folder / f"{name}{FORMATS[name].suffix}"
    output = folder / f"{name}_read.json"
    kwargs = {"format": CONVERTERS[name], "root": root, "video_files": in_files}
    convert_to_coco_vid(path if path.exists() else folder / name, output, **kwargs, classes=NAMES)
    content = json.loads(output.read_text())
    frames = {image["id"]: image["frame_id"] for image in content["images"]}
    assert len(frames) == FRAMES
    rows = []
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        corners = tuple(np.round((x, y, x + w, y + h), 3))
        label = NAMES[annotation["category_id"] - 1]
        rows.append((frames[annotation["image_id"]], label, corners))
    return sorted(rows)


def assert_same(found: list[tuple], expected: list[tuple]) -> None:
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert np.allclose([row[2] for row in found], [row[2] for row in expected], atol=2e-3)


@pytest.mark.parametrize("tracks", [["--tracks"], []], ids=["tracks", "no tracks"])
def test_what_is_exported_is_read_back(weights, clip, tmp_path, tracks, capsys):
    jsonl, out = tmp_path / "v.jsonl", tmp_path / "exports"
    files = "--input", clip, "--output", tmp_path / "v.mp4", "--jsonl", jsonl
    run_demo(weights, *files, *exports(out), *tracks)
    said = capsys.readouterr().out
    assert f"detections -> {tmp_path / 'v.mp4'}, {jsonl}, {out / 'cvat.xml'}, " in said
    expected = boxes_of_lines(jsonl)
    assert expected
    for name in CONVERTERS:
        assert_same(boxes_read_back(name, out, clip.parent), expected)
    results = json.loads((out / "youtube-vis-results.json").read_text())
    data_set = json.loads((out / "youtube-vis.json").read_text())["annotations"]
    assert [row["bboxes"] for row in results] == [row["bboxes"] for row in data_set]
    assert (len(results) < len(expected)) == bool(tracks)


def test_folders_of_images_are_read_back(weights, tmp_path):
    noise = np.random.default_rng(0)
    folders = [tmp_path / "media" / name for name in ("a.1", "a.2")]
    for folder in folders:
        folder.mkdir(parents=True)
        for index in range(FRAMES):
            small = noise.integers(0, 256, (9, 13, 3), np.uint8)
            cv2.imwrite(str(folder / f"shot_{index + 1:03d}.png"), cv2.resize(small, (93, 61)))
    out = tmp_path / "out"
    words = [w for name in CONVERTERS for w in ("--export", f"{name}={out / name}")]
    run_demo(weights, "--input", *folders, "--output", out, "--jsonl", out, *words, "--tracks")
    expected = [boxes_of_lines(out / f"{folder.name}.jsonl") for folder in folders]
    assert all(expected)
    for name in CONVERTERS:
        for folder, boxes in zip(folders, expected, strict=True):
            if name in ("cvat", "label-studio", "youtube-vis"):
                part = out / name / f"{folder.name}{FORMATS[name].suffix}"
            else:
                part = out / f"{folder.name}_{name}"
                part.mkdir()
                for path in (out / name).iterdir():
                    if path.is_file() or path.name == folder.name:
                        copy = shutil.copytree if path.is_dir() else shutil.copy
                        copy(path, part / path.name)
            output = tmp_path / f"{name}_{folder.name}.json"
            convert_to_coco_vid(
                *(part, output), format=CONVERTERS[name], root=tmp_path / "media", classes=NAMES
            )
            content = json.loads(output.read_text())
            frames = {image["id"]: image for image in content["images"]}
            assert [image["file_name"] for image in frames.values()] == [
                f"{folder.name}/shot_{index + 1:03d}.png" for index in range(FRAMES)
            ]
            found = sorted(
                (frames[box["image_id"]]["frame_id"], NAMES[box["category_id"] - 1], box["bbox"])
                for box in content["annotations"]
            )
            rows = [(f, c, (x, y, x + w, y + h)) for f, c, (x, y, w, h) in found]
            assert_same(rows, boxes)


def test_a_resumed_run_exports_the_whole_video(weights, clip, tmp_path):
    def words(name: str) -> list:
        jsonl = tmp_path / f"{name}.jsonl"
        files = "--input", clip, "--output", tmp_path / f"{name}.mp4", "--jsonl", jsonl
        return [*files, *exports(tmp_path / name), "--tracks"]

    def written(name: str) -> dict[str, str]:
        folder = tmp_path / name
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_text() for path in paths}

    run_demo(weights, *words("whole"))
    run_demo(weights, *words("cut"))
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "cut.jsonl").write_text("".join(lines[:2]))
    run_demo(weights, *words("cut"), "--resume")
    assert written("cut") == written("whole")
    # a finished run: the files are made of its JSON lines
    for path in sorted((tmp_path / "cut").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run_demo(weights, *words("cut"), "--resume")
    assert written("cut") == written("whole")
    with pytest.raises(InputError, match=r"mot/clip/gt/gt\.txt exists: remove it"):
        run_demo(weights, *words("cut"))


def test_ctrl_c_leaves_what_was_done(weights, clip, tmp_path, monkeypatch):
    def interrupted(frames, **kwargs):
        for index, frame in enumerate(frames):
            if index == 3:
                signal.raise_signal(signal.SIGINT)
            yield frame

    monkeypatch.setattr(demo, "progress", interrupted)
    jsonl, out = tmp_path / "v.jsonl", tmp_path / "exports"
    files = "--input", clip, "--output", tmp_path / "v.mp4", "--jsonl", jsonl
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_demo(weights, *files, *exports(out))
    finally:
        signal.signal(signal.SIGINT, before)
    expected = boxes_of_lines(jsonl)
    assert {row[0] for row in expected} == {0, 1, 2}
    for name in CONVERTERS:
        assert_same(boxes_read_back(name, out, clip.parent), expected)
    assert len(list((out / "yolo/clip").iterdir())) == 3  # the others are not free of objects


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{clip}", "--export", "cvt=v.xml"], "there is no format 'cvt': did you mean cvat?"),
        (["{clip}", "--export", "cvat=v.txt"], "only .xml is written there, or a folder"),
        (["{clip}", "--export", "cvat=/proc/no/v.xml"], "/proc/no/v.xml cannot be written"),
        (["{clip}", "other.mp4", "--export", "cvat=v.xml"], "is one file for 2 videos"),
        (["{clip}", "other.mp4", "--export", "youtube-vis=v.json"], "is one file for 2 videos"),
        (
            ["{clip}", "--coco", "out", "--export", "youtube-vis=out"],
            "is the place of other .json files: give it its own",
        ),
    ],
)
def test_mistakes_are_told_before_the_first_frame(
    weights, clip, tmp_path, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        run_demo(weights, "--output", "out", "--input", *(word.format(clip=clip) for word in words))
    assert message in str(error.value)
    assert not list(tmp_path.rglob("*.mp4"))


def test_a_place_that_disappears_is_told_and_the_rest_is_written(
    weights, clip, tmp_path, monkeypatch
):
    def blocked(frames, **kwargs):
        yield from frames
        (tmp_path / "gone").rmdir()
        (tmp_path / "gone").touch()

    (tmp_path / "gone").mkdir()
    monkeypatch.setattr(demo, "progress", blocked)
    words = "--export", f"cvat={tmp_path / 'gone/v.xml'}", "--export", f"mot={tmp_path / 'v.txt'}"
    with pytest.raises(InputError, match=r"gone/v\.xml cannot be written"):
        run_demo(weights, "--input", clip, "--output", tmp_path / "v.mp4", *words)
    assert (tmp_path / "v.txt").read_text().count("\n") > FRAMES
    with VideoFile(tmp_path / "v.mp4") as video:
        assert len(video) == FRAMES
