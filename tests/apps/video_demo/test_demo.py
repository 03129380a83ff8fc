"""demo.py on real files, in this process."""

import csv
import json
import resource
import shutil
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from boxmask_vid.apps.video_demo import annotator, demo
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoFile, VideoWriter
from support.demo_runs import FRAMES, run_demo

NAMES = [f"class {index}" for index in range(4)]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("online", [[], ["--online"]])
def test_all_files_say_the_same(weights, clip, tmp_path, online, capsys):
    video, jsonl, table, coco = (tmp_path / f"v.{kind}" for kind in ("mp4", "jsonl", "csv", "json"))
    run_demo(
        weights,
        *("--input", clip, "--output", video, "--jsonl", jsonl, "--csv", table, "--coco", coco),
        *("--tracks", *online),
    )
    said = capsys.readouterr().out
    with VideoFile(video) as written:
        assert (len(written), written.fps) == (FRAMES, 12.5)
        assert written[0].shape == (61, 93, 3)
    records = lines(jsonl)
    assert [record["frame"] for record in records] == list(range(FRAMES))
    assert [record["time"] for record in records] == [0, 0.08, 0.16, 0.24, 0.32]
    found = [(record["frame"], box) for record in records for box in record["detections"]]
    assert found
    assert f"{FRAMES} frames, {len(found)} detections -> {video}, {jsonl}, {table}, {coco}" in said
    assert all(box["score"] >= 0.2 and box["class"] in NAMES for _, box in found)
    assert all(isinstance(box["track"], int) for _, box in found)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found)
    for row, (frame, box) in zip(rows, found, strict=True):
        assert (int(row["frame"]), row["class"]) == (frame, box["class"])
        assert [float(row[name]) for name in ("x1", "y1", "x2", "y2")] == box["box"]
        assert (float(row["score"]), int(row["track"])) == (box["score"], box["track"])
    for result, (frame, box) in zip(json.loads(coco.read_text()), found, strict=True):
        x, y, width, height = result["bbox"]
        assert [x, y, x + width, y + height] == pytest.approx(box["box"])
        assert (result["image_id"], result["score"]) == (frame, box["score"])
        assert NAMES[result["category_id"] - 1] == box["class"]


def test_no_detection_at_all(weights, clip, tmp_path, capsys):
    coco = tmp_path / "v.json"
    words = ("--input", clip, "--output", tmp_path / "v.mp4", "--coco", coco, "--tracks")
    run_demo(weights, *words, "--threshold", "1.1")
    assert json.loads(coco.read_text()) == []
    first, second = capsys.readouterr().out.splitlines()
    assert f"{FRAMES} frames, 0 detections -> " in first
    assert second == f"no score reached --threshold 1.1; this model looks for {', '.join(NAMES)}"
    with VideoFile(tmp_path / "v.mp4") as written:
        assert len(written) == FRAMES


def test_resume_gives_what_an_uninterrupted_run_gives(weights, clip, tmp_path, capsys):
    def files(name: str) -> list:
        made = [tmp_path / f"{name}.{kind}" for kind in ("mp4", "jsonl", "csv", "json")]
        flags = "--output", "--jsonl", "--csv", "--coco"
        return [
            "--input",
            clip,
            "--tracks",
            *(w for pair in zip(flags, made, strict=True) for w in pair),
        ]

    run_demo(weights, *files("whole"))
    whole = (tmp_path / "whole.jsonl").read_text()
    kept = whole.splitlines(keepends=True)
    run_demo(weights, *files("cut"))
    (tmp_path / "cut.jsonl").write_text("".join(kept[:2]) + kept[2][:20])
    run_demo(weights, *files("cut"), "--resume")
    assert (tmp_path / "cut.jsonl").read_text() == whole
    for kind in ("csv", "json"):
        a, b = (tmp_path / f"{name}.{kind}" for name in ("whole", "cut"))
        assert a.read_text() == b.read_text()
    with VideoFile(tmp_path / "whole.mp4") as a, VideoFile(tmp_path / "cut.mp4") as b:
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    capsys.readouterr()
    run_demo(weights, *files("cut"), "--resume")
    assert "is done" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"made with --threshold 0\.2, now it is 0\.4: leave out"):
        run_demo(weights, *files("cut"), "--resume", "--threshold", "0.4")
    with pytest.raises(InputError, match=r"made with --online False, now it is True: leave out"):
        run_demo(weights, *files("cut"), "--resume", "--online")
    run_demo(weights, *files("cut"), "--online")
    with pytest.raises(InputError, match=r"made with --online True, now it is False: leave out"):
        run_demo(weights, *files("cut"), "--resume")
    run_demo(weights, *files("cut"), "--online", "--resume")
    assert "starts over" in capsys.readouterr().out
    run_demo(weights, *files("cut"))
    (tmp_path / "cut.jsonl").write_text("no json\n")
    with pytest.raises(InputError, match=r"cut\.jsonl, line 1: .* leave out --resume"):
        run_demo(weights, *files("cut"), "--resume")


def test_what_another_model_has_found_is_not_continued(weights, clip, tmp_path):
    files = ["--input", clip, "--output", tmp_path / "v.mp4", "--jsonl", tmp_path / "v.jsonl"]
    run_demo(weights, *files)
    written = (tmp_path / "v.jsonl").read_text()
    other = torch.load(weights)
    other["model"]["roi_heads.box_predictor.cls_score.bias"] += 1
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"v\.jsonl was made with weights \(sha256\)"):
        run_demo(str(tmp_path / "other.pth"), *files, "--resume")
    (tmp_path / "v.jsonl.provenance").unlink()
    with pytest.raises(InputError, match=r"File .*v\.jsonl\.provenance not found"):
        run_demo(weights, *files, "--resume")
    assert (tmp_path / "v.jsonl").read_text() == written


def test_another_input_of_the_same_name_is_not_continued(weights, clip, tmp_path):
    video, folder = tmp_path / "v.mp4", tmp_path / "frames"
    shutil.copy(clip, video)
    folder.mkdir()
    with VideoFile(clip) as frames:
        for number, frame in enumerate(frames):
            cv2.imwrite(str(folder / f"{number}.png"), frame)
    for source in (video, folder):
        lines = tmp_path / f"{source.stem}.jsonl"
        words = ["--input", source, "--output", tmp_path / f"{source.stem}_out.mp4"]
        words += ["--jsonl", lines]
        run_demo(weights, *words)
        written = lines.read_text()
        run_demo(weights, *words, "--resume")
        if source == video:
            with VideoFile(clip) as frames, VideoWriter(video, frames.fps) as writer:
                for frame in frames:
                    writer.write(255 - frame)
        else:
            (folder / "2.png").unlink()
        with pytest.raises(InputError, match=r"was made with input \(sha256\)"):
            run_demo(weights, *words, "--resume")
        assert lines.read_text() == written


def test_outputs_do_not_overwrite_each_other(weights, tmp_path):
    with pytest.raises(InputError, match="would be written to the same file"):
        run_demo(weights, "--input", "a/frames", "b/frames", "--output", tmp_path)
    with pytest.raises(InputError, match=r"out\.avi: only \.mp4 is written"):
        run_demo(weights, "--input", "a/frames", "--output", tmp_path / "out.avi")


def test_without_output_the_video_is_beside_its_input(weights, clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.b.mp4").write_bytes(clip.read_bytes())
    Path("frames").mkdir()
    cv2.imwrite("frames/1.png", np.zeros((61, 93, 3), np.uint8))
    run_demo(weights, "a.b.mp4", "frames/", "--csv", "tables")
    assert sorted(str(path) for path in Path().rglob("*_detected*")) == [
        "a.b_detected.mp4",
        "frames_detected.mp4",
    ]
    assert Path("a.b.mp4").read_bytes() == clip.read_bytes()
    assert sorted(path.name for path in Path("tables").iterdir()) == ["a.b.csv", "frames.csv"]
    before = Path("frames_detected.mp4").read_bytes()
    with pytest.raises(InputError, match=r"frames_detected.mp4 exists already: give --output"):
        run_demo(weights, "frames")
    assert Path("frames_detected.mp4").read_bytes() == before
    Path("frames_detected.mp4").unlink()
    monkeypatch.chdir("frames")
    run_demo(weights, "*.png")
    assert (tmp_path / "frames_detected.mp4").is_file()
    assert [path.name for path in Path().iterdir()] == ["1.png"]
    with pytest.raises(InputError, match=r"the same file \S*x_detected.mp4: rename them"):
        run_demo(weights, "x.mp4", "x.avi")


def test_masks_are_drawn_on_request(weights, clip, tmp_path):
    pictures = []
    for masks in (False, True):
        output = tmp_path / f"{masks}.mp4"
        opts = "--opts", "MODEL.BOXMASK.PREDICT_MASKS", masks
        run_demo(weights, "--input", clip, "--output", output, "--tracks", *opts)
        with VideoFile(output) as video:
            pictures.append(video[0].astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 50


def test_one_broken_input_does_not_stop_the_others(weights, clip, tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(InputError, match=r"text\.mp4 is not a video"):
        run_demo(weights, "--input", text, clip, "--output", tmp_path / "out")
    with VideoFile(tmp_path / "out/clip.mp4") as video:
        assert len(video) == FRAMES


def test_a_truncated_video_is_processed_as_far_as_it_goes(weights, tmp_path):
    path, jsonl = tmp_path / "long.mp4", tmp_path / "v.jsonl"
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10, width=96, height=64, pix_fmt="yuv420p")
        for _ in range(12):
            picture = noise.integers(0, 256, (64, 96, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"long\.mp4 (cannot be decoded at|is cut off)"):
        run_demo(weights, "--input", path, "--output", tmp_path / "v.mp4", "--jsonl", jsonl)
    done = len(lines(jsonl))
    assert 3 <= done <= 7
    with VideoFile(tmp_path / "v.mp4") as video:
        assert len(video) == done


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "99", "--output", "v.mp4"], "The camera 99 does not answer"),
        (
            ["--input", "{clip}", "--output", "v.mp4", "--resume"],
            "--resume continues from",
        ),
        (["--input", "{clip}", "--output", "v.mp4", "--csv", "v.txt"], "only .csv is written"),
        (["--input", "{clip}", "--output", "v.mp4", "--fps", "0"], "--fps is 0.0"),
        (["--input", "{clip}", "--output", "v.mp4", "--show"], "--show needs a window"),
        (["--input", "{clip}", "--output", "/proc/no/v.mp4"], "v.mp4 cannot be written"),
        (
            ["--input", "{clip}", "--output", "{out}/v.mp4", "--jsonl", "/proc/no/v.jsonl"],
            "/proc/no/v.jsonl cannot be written",
        ),
    ],
)
def test_mistakes_get_a_sentence(weights, clip, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        run_demo(weights, *(word.format(clip=clip, out=tmp_path) for word in words))
    assert message in str(error.value)


def test_ctrl_c_leaves_valid_files(weights, clip, tmp_path, monkeypatch, capsys):
    def interrupted(frames, **kwargs):
        for index, frame in enumerate(frames):
            if index == 3:
                signal.raise_signal(signal.SIGINT)
            yield frame

    monkeypatch.setattr(demo, "progress", interrupted)
    video, jsonl, coco = (tmp_path / f"v.{kind}" for kind in ("mp4", "jsonl", "json"))
    words = "--input", clip, "--output", video, "--jsonl", jsonl, "--coco", coco, "--threshold", 0
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_demo(weights, *words)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "3 frames, " in capsys.readouterr().out
    records = lines(jsonl)
    assert len(records) == 3
    with VideoFile(video) as written:
        assert len(written) == 3
    assert len(json.loads(coco.read_text())) == sum(len(record["detections"]) for record in records)
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_full_disk_leaves_valid_files(weights, clip, tmp_path, monkeypatch):
    video, jsonl, coco = (tmp_path / f"v.{kind}" for kind in ("mp4", "jsonl", "json"))
    words = "--input", clip, "--output", video, "--jsonl", jsonl, "--coco", coco, "--threshold", 0
    predictor = annotator.VideoPredictor

    def predictor_then_full_disk(cfg):
        made = predictor(cfg)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
        return made

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(annotator, "VideoPredictor", predictor_then_full_disk)
    try:
        with pytest.raises(InputError, match=r"cannot be written \(File too large\)"):
            run_demo(weights, *words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert json.loads(coco.read_text())
    assert not list(tmp_path.glob("*unfinished*"))
