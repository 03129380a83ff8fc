"""Outputs of demo.py are never its inputs, are whole or an error, and go on where they can."""

import json
import os
import re
import resource
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.video_demo.places import check_places
from boxmask_vid.apps.video_demo.result_files import CocoFile, CsvFile
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoWriter
from support.demo_runs import annotate, lines, run_demo, write_weights
from support.numbered_videos import damage_packet, numbered, write_numbered
from support.web_server import served


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    return write_weights(tmp_path_factory.mktemp("weights") / "model.pth")


def refused(inputs, *outputs: Path) -> str:
    with pytest.raises(InputError) as error:
        check_places([str(path) for path in inputs], outputs, [])
    return str(error.value)


@pytest.mark.parametrize("link", [shutil.copy, os.link, os.symlink])
@pytest.mark.parametrize("suffix", [".mp4", ".jsonl", ".csv", ".json"])
def test_an_output_that_is_the_input(tmp_path, link, suffix):
    video = write_numbered(tmp_path / "v.mp4", range(3))
    output = tmp_path / f"out{suffix}"
    link(video, output)
    if link is shutil.copy:
        check_places([str(video)], [output], [])
        output = tmp_path / "new" / ".." / "v.mp4"
    assert "would be written over the input" in refused([video], output)
    assert "would be written over the input" in refused([f"file://{video}"], output)


def test_an_output_that_is_a_picture_of_the_input_or_another_input(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "1.png").write_bytes(b"picture")
    os.link(folder / "1.png", tmp_path / "v.mp4")
    for source in (folder, f"{folder}/*.png"):
        assert "over the input" in refused([source], tmp_path / "v.mp4")
    (tmp_path / "b.mp4").write_bytes(b"video")
    assert "over the input" in refused([folder, tmp_path / "b.mp4"], tmp_path / "b.mp4")


@pytest.mark.parametrize("name", ["v.unfinished.mp4", "v.mp4.unfinished", "v.mp4.provenance"])
def test_files_beside_an_output_are_no_inputs_either(tmp_path, name):
    (tmp_path / name).write_bytes(b"video")
    assert "over the input" in refused([tmp_path / name], tmp_path / "v.mp4")


def test_two_outputs_and_folders(tmp_path):
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "a.json").symlink_to(tmp_path / "a.csv")
    outputs = tmp_path / "a.csv", tmp_path / "a.json"
    assert "are the same file" in refused([], *outputs)
    (tmp_path / "d.mp4").mkdir()
    assert "d.mp4 is a folder" in refused([], tmp_path / "d.mp4")
    assert "a.csv, which is a file" in refused([], tmp_path / "a.csv/b/c.mp4")


def test_the_input_survives_every_option(weights, tmp_path):
    video = write_numbered(tmp_path / "v.mp4", range(3))
    before = video.read_bytes()
    for suffix in ("jsonl", "csv", "json"):
        os.link(video, tmp_path / f"v.{suffix}")
    other = tmp_path / "out/w.mp4"
    for words in (
        ["--output", video],
        ["--output", tmp_path],
        ["--output", tmp_path / "../" / tmp_path.name],
        ["--output", other, "--jsonl", tmp_path / "v.jsonl"],
        ["--output", other, "--csv", tmp_path],
        ["--output", other, "--coco", tmp_path / "v.json"],
    ):
        with pytest.raises(InputError, match="would be written over the input"):
            run_demo(weights, "--input", video, *words)
    assert video.read_bytes() == before
    assert not other.parent.exists()


def test_an_export_does_not_replace_the_input(weights, tmp_path):
    folder = tmp_path / "data/clip"
    folder.mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), numbered(number))
    video = write_numbered(tmp_path / "v.xml", range(3), format="mp4")
    output = "--output", tmp_path / "out.mp4", "--jsonl", tmp_path / "out.jsonl", "--resume"
    for source, export in ((folder, f"yolo={tmp_path}/data"), (video, f"cvat={video}")):
        with pytest.raises(InputError, match=r"would (replace the folder of|be written over) the"):
            run_demo(weights, "--input", source, *output, "--export", export)
    assert len(list(folder.iterdir())) == 3


def test_a_folder_whose_name_has_a_dot(weights, tmp_path):
    video = write_numbered(tmp_path / "v.mp4", range(2))
    (tmp_path / "run.1").mkdir()
    run_demo(weights, "--input", video, "--output", tmp_path / "run.1")
    assert (tmp_path / "run.1/v.mp4").is_file()


@pytest.mark.parametrize("fps", ["inf", "nan", "-1", "0", "1e9", "1e-9"])
def test_rates_that_no_video_has(weights, tmp_path, fps):
    words = "--input", tmp_path / "v.mp4", "--output", tmp_path / "w.mp4", f"--fps={fps}"
    with pytest.raises(InputError, match=r"--fps is .*: it must be from"):
        run_demo(weights, *words)


def test_a_picture_of_which_nothing_would_be_left(weights, tmp_path):
    cv2.imwrite(str(tmp_path / "thin.png"), np.zeros((1, 2000, 3), np.uint8))
    made = annotate(weights, tmp_path / "out", tmp_path / "thin.png")
    assert "A picture of 2000 x 1 pixels would be resized to 96 x 0" in made.sentence


def test_a_disk_that_is_full_at_the_very_end(tmp_path):
    pictures = [numbered(number) for number in range(6)]

    def write() -> None:
        with VideoWriter(tmp_path / "v.mp4", 2) as writer:
            for picture in pictures:
                writer.write(picture)

    write()
    whole = (tmp_path / "v.mp4").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in (whole - 1, whole - 60, whole // 2, 100, 1):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(InputError, match=r"v\.mp4 cannot be written"):
                write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (tmp_path / "v.unfinished.mp4").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"v\.mp4 cannot be written \(No space left on device\)"):
        write()


def test_coco_results_are_valid_wherever_the_disk_is_full(tmp_path):
    box = {"class": "a", "score": 0.5, "box": [1.0, 2.0, 3.0, 4.0], "track": None}
    records = [{"frame": index, "time": 0.0, "detections": [box]} for index in range(3)]

    def write() -> None:
        with CocoFile(tmp_path / "c.json", ["a"]) as file:
            for record in records:
                file.append(record)

    write()
    assert len(json.loads((tmp_path / "c.json").read_text())) == 3
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    whole = (tmp_path / "c.json").stat().st_size
    for room in range(2, whole):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(InputError, match=r"c\.json cannot be written"):
                write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        kept = json.loads((tmp_path / "c.json").read_text())
        assert len(kept) == room * 3 // whole
    with pytest.raises(InputError, match="cannot be written"):
        CsvFile(Path("/dev/full"))


def test_a_recording_is_not_overwritten_by_resume(weights, tmp_path):
    with served(tmp_path, lambda: map(numbered, range(4))) as address:
        camera = f"{address}/camera"
        made = annotate(weights, tmp_path / "out", camera, "--online", "--resume")
        assert len(made.records) == 4
        before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        words = "--output", tmp_path / "out/annotated.mp4", "--jsonl", tmp_path / "out/lines.jsonl"
        with pytest.raises(InputError, match="--resume cannot go on there"):
            run_demo(weights, "--input", camera, *words, "--online", "--resume")
        assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_frames_that_the_model_is_too_slow_for_are_said(weights, tmp_path, capsys):
    pictures = [numbered(number) for number in range(60)]
    with served(tmp_path, lambda: pictures * 5) as address:
        made = annotate(weights, tmp_path / "out", f"{address}/camera", "--online")
    said = re.search(r"camera: (\d+) more frames came than the model", capsys.readouterr().out)
    assert said is not None
    assert len(made.records) + int(said[1]) == 300
    assert "ended after 300 frames" in made.sentence
    assert made.numbers == list(range(len(made.records)))
    assert made.times == pytest.approx(made.read_times, abs=1e-3)


def test_a_file_at_an_address_is_a_success(weights, tmp_path):
    write_numbered(tmp_path / "v.mp4", range(6), ticks=[0, 1, 2, 12, 13, 40])
    with served(tmp_path) as address:
        made = annotate(weights, tmp_path / "out", f"{address}/v.mp4", "--online")
    times = [0, 0.04, 0.08, 0.48, 0.52, 1.6]
    assert (made.sentence, made.read_times) == ("", pytest.approx(times))
    assert made.times == pytest.approx(times, abs=1e-4)


def test_resume_says_again_that_the_end_is_missing(weights, tmp_path):
    video = write_numbered(tmp_path / "v.mkv", range(30), options={"bf": "0", "g": "5"})
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    made = annotate(weights, tmp_path / "out", video)
    assert "v.mkv is cut off" in made.sentence
    files = "--output", tmp_path / "out/annotated.mp4", "--jsonl", tmp_path / "out/lines.jsonl"
    for _ in range(2):
        with pytest.raises(InputError, match=r"v\.mkv is cut off"):
            run_demo(weights, "--input", video, *files, "--resume")
    assert lines(tmp_path / "out/lines.jsonl") == made.records


def test_resume_goes_on_behind_a_damaged_packet(weights, tmp_path):
    video = write_numbered(tmp_path / "v.mp4", range(20), options={"bf": "0", "g": "5"})
    damage_packet(video, 7)
    made = annotate(weights, tmp_path / "out", video)
    assert made.numbers == [*range(7), *range(8, 20)]
    assert "1 of the 20 frames" in made.sentence
    assert made.times == pytest.approx(made.read_times, abs=1e-3)
    jsonl = tmp_path / "out/lines.jsonl"
    whole = jsonl.read_text().splitlines(keepends=True)
    files = "--output", tmp_path / "out/annotated.mp4", "--jsonl", jsonl
    for kept in (5, 7, 8, 19):
        jsonl.write_text("".join(whole[:kept]))
        with pytest.raises(InputError, match="1 of the 20 frames"):
            run_demo(weights, "--input", video, *files, "--resume")
        assert jsonl.read_text() == "".join(whole)


def test_json_lines_go_on_where_the_size_changes(weights, tmp_path, capsys):
    pictures = [cv2.resize(numbered(number), (96 + 48 * (number > 3), 48)) for number in range(8)]
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    for masks in (False, True):
        opts = "--opts", "MODEL.BOXMASK.PREDICT_MASKS", masks
        made = annotate(weights, tmp_path / "out", f"{tmp_path}/*.png", "--tracks", *opts)
        assert made.numbers == list(range(8))
        assert len(made.times) == 4
        assert "video ends there, the other files do not" in made.sentence
    words = "--input", f"{tmp_path}/*.png", "--output", tmp_path / "only.mp4"
    with pytest.raises(InputError, match="144 x 48 pixels follows frames of 96 x 48"):
        run_demo(weights, *words)
    done = [line for line in capsys.readouterr().out.splitlines() if " -> " in line]
    assert "4 frames, " in done[-1]


def test_a_device_is_not_replaced_by_a_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "is a device or a pipe" in refused([], tmp_path / "pipe.mp4")
    assert "is a device or a pipe" in refused([], Path("/dev/null"))
    with (
        pytest.raises(InputError, match="is a device or a pipe"),
        VideoWriter(tmp_path / "pipe.mp4", 25) as video,
    ):
        video.write(numbered(0))
    assert (tmp_path / "pipe.mp4").is_fifo()
