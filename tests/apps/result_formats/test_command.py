"""tools/convert_detections.py on COCO results and JSON lines."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.apps.result_formats import VideoDetections
from boxmask_vid.apps.result_formats.command import argument_parser, run
from boxmask_vid.errors import InputError
from support.result_formats import (
    CLASSES,
    CONVERTERS,
    assert_same,
    random_video,
    read_back,
    write_media,
)

CATEGORY_IDS = [3, 7, 20]


def convert(*words: object) -> None:
    run(argument_parser().parse_args([str(word) for word in words]))


@pytest.fixture(params=["images", "video files"])
def videos(request) -> list[VideoDetections]:
    def fields(name: str, length: int) -> dict:
        if request.param == "images":
            return {"files": [f"{name}/{frame}.png" for frame in range(length)]}
        return {"video_file": f"{name}.mp4"}

    return [
        random_video(
            *(seed, name),
            length=length,
            tracks=False,
            video_id=number,
            category_ids=CATEGORY_IDS,
            **fields(name, length),
        )
        for seed, name, length, number in ((1, "b", 6, 9), (2, "a", 4, 5))
    ]


@pytest.fixture
def data_set(tmp_path, videos) -> Path:
    """COCO-VID JSON, whose ids are in no order."""
    content = {"videos": [], "images": [], "annotations": []}
    content["categories"] = [
        {"id": number, "name": name} for number, name in zip(CATEGORY_IDS, CLASSES, strict=True)
    ]
    for video in videos:
        record = {"id": video.video_id, "name": video.name}
        if video.video_file:
            record["file_name"] = video.video_file
        content["videos"].append(record)
        for frame, (width, height) in reversed(list(enumerate(video.sizes.tolist()))):
            image = {"id": 100 * video.video_id - frame, "video_id": video.video_id}
            image |= {"frame_id": frame, "width": width, "height": height}
            if video.files:
                image["file_name"] = video.files[frame]
            content["images"].append(image)
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def results(tmp_path, videos) -> Path:
    rows = []
    for video in videos:
        columns = video.frames, video.classes, video.scores, video.boxes
        for frame, label, score, (x1, y1, x2, y2) in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            row = {"image_id": 100 * video.video_id - frame, "category_id": CATEGORY_IDS[label]}
            rows.append(row | {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score})
    np.random.default_rng(0).shuffle(rows)
    path = tmp_path / "det.json"
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def lines(tmp_path, videos) -> Path:
    """JSON lines of the second video, whose objects are linked."""
    path = tmp_path / "a.jsonl"
    video = replace(videos[1], tracks=np.arange(len(videos[1])) + 5)
    records = [{"frame": frame, "time": 0, "detections": []} for frame in range(video.length)]
    columns = video.frames, video.classes, video.scores, video.boxes, video.tracks
    for frame, label, score, box, track in zip(*(c.tolist() for c in columns), strict=True):
        row = {"class": CLASSES[label], "score": score, "box": box, "track": track}
        records[frame]["detections"].append(row)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def out(tmp_path: Path, format: str) -> Path:
    file = format in ("youtube-vis", "label-studio")
    return tmp_path / f"out_{format}{'.json' if file else ''}"


@pytest.mark.parametrize("format", CONVERTERS)
def test_coco_results(tmp_path, videos, data_set, results, format, capsys):
    path = out(tmp_path, format)
    convert("--detections", results, "--gt", data_set, "--export", f"{format}={path}")
    count = sum(map(len, videos))
    assert f"{results}: {count} detections in 2 videos -> {path}" in capsys.readouterr().out
    for video in videos:
        write_media(tmp_path / "media", video)
    content = read_back(format, path, tmp_path / "media", in_files=videos[0].files is None)
    tracks = "single" if format in ("cvat", "youtube-vis", "label-studio") else "none"
    for video in videos:
        assert_same(content, video, tracks=tracks)


def test_ids_of_the_data_set_are_in_results_of_youtube_vis(tmp_path, videos, data_set, results):
    export = f"youtube-vis-results={tmp_path / 'out.json'}"
    convert("--detections", results, "--gt", data_set, "--export", export, "--threshold", 0.5)
    found = {
        (row["video_id"], row["category_id"], round(row["score"], 9))
        for row in json.loads((tmp_path / "out.json").read_text())
    }
    assert found == {
        (video.video_id, CATEGORY_IDS[label], round(score, 9))
        for video in videos
        for label, score in zip(video.classes.tolist(), video.scores.tolist(), strict=True)
        if score >= 0.5
    }


def test_objects_are_linked(tmp_path, data_set):
    rows = [
        {"image_id": 500 - frame, "category_id": 3, "bbox": [frame, 5, 30, 30], "score": 0.5}
        for frame in range(4)
    ]
    (tmp_path / "det.json").write_text(json.dumps(rows))
    words = "--detections", tmp_path / "det.json", "--gt", data_set, "--tracks"
    convert(*words, "--export", f"mot={tmp_path / 'out'}")
    written = (tmp_path / "out/a/det/det.txt").read_text()
    assert [line.split(",")[:3] for line in written.splitlines()] == [
        [str(frame + 1), "1", str(frame + 1.0)] for frame in range(4)
    ]
    assert (tmp_path / "out/b/gt/gt.txt").read_text() == ""


@pytest.mark.parametrize("of", ["--gt", "--video"])
def test_json_lines(tmp_path, videos, data_set, lines, of):
    write_media(tmp_path / "media", videos[1])
    in_files = videos[1].files is None
    source = tmp_path / ("media/a.mp4" if in_files else "media/a")
    place = data_set if of == "--gt" else source
    path = tmp_path / "a.xml"
    convert("--detections", lines, of, place, "--export", f"cvat={path}")
    content = read_back("cvat", path, tmp_path / "media", in_files=in_files)
    video = replace(videos[1], tracks=np.arange(len(videos[1])))
    assert_same(content, video)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame": 4}, "line 1: there is frame 4 and the video has 4 frames: give the right"),
        ({"frame": 1}, "line 2: there is frame 1 twice"),
        ({"frame": "0"}, "line 1 has a frame, class, score, box or track of a wrong kind"),
        ({"detections": [{}]}, "line 1 is not a record of a frame: give the JSON lines that"),
        ({"box": [3, 3, 2, 4]}, "line 1 has a frame, class, score, box or track of a wrong kind"),
        ({"box": [1, 2, 3]}, "line 1 has a frame, class, score, box or track of a wrong kind"),
        ({"score": float("nan")}, "line 1 has a frame, class, score, box or track of a wrong"),
        ({"track": -1}, "line 1 has a frame, class, score, box or track of a wrong kind"),
        ({"class": "cow"}, "line 1: class 'cow' is not one of Hund"),
    ],
)
def test_mistakes_in_json_lines(tmp_path, data_set, lines, changes, message):
    first, *others = lines.read_text().splitlines()
    record = json.loads(first)
    changed = record if changes.keys() <= record.keys() else record["detections"][0]
    changed.update(changes)
    lines.write_text("\n".join([json.dumps(record), *others, ""]))
    with pytest.raises(InputError) as error:
        convert("--detections", lines, "--gt", data_set, "--export", f"mot={tmp_path / 'a.txt'}")
    assert message in str(error.value)


def test_json_lines_of_an_interrupted_run(tmp_path, videos, data_set, lines, caplog):
    text = lines.read_text().splitlines(keepends=True)
    lines.write_text("".join(text[:2]) + text[2][:20])
    export = "--export", f"yolo={tmp_path / 'out'}"
    convert("--detections", lines, "--gt", data_set, *export)
    assert "a.jsonl: the last line is torn and left out" in caplog.text
    names = videos[1].frame_names
    written = sorted(path.stem for path in (tmp_path / "out/a").iterdir())
    assert written == sorted(names[:2])


def test_a_track_is_in_a_frame_once(tmp_path, data_set, lines):
    box = {"class": CLASSES[0], "score": 1, "box": [1, 2, 3, 4], "track": 7}
    lines.write_text(json.dumps({"frame": 0, "detections": [box, box]}))
    with pytest.raises(InputError, match=r"a\.jsonl, line 1 has track 7 twice: correct it"):
        convert("--detections", lines, "--gt", data_set, "--export", f"mot={tmp_path / 'a.txt'}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("c.jsonl --gt gt.json", "has 2 videos and none is called 'c': name c.jsonl after its"),
        ("det.json --video a.mp4", "--video belongs to JSON lines (.jsonl), and det.json is none"),
        ("det.json --gt gt.json --export label-studio=det.json", "would overwrite the input"),
        ("det.json --gt gt.json --export cvat=a.xml", "is one file for 2 videos: give a folder"),
        ("det.json --gt same.json", "two videos have the name 'same': rename one of them"),
    ],
)
def test_mistakes(tmp_path, data_set, results, lines, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    lines.rename("c.jsonl")
    content = json.loads(data_set.read_text())
    for video in content["videos"]:
        video["name"] = "same"
    Path("same.json").write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        convert("--export", "mot=out", "--detections", *words.split())
    assert message in str(error.value)
    assert not list(Path(".").glob("out/**/*"))


def test_missing_files(tmp_path, data_set):
    export = "--export", f"mot={tmp_path / 'out'}"
    for name in ("a.jsonl", "a.json"):
        with pytest.raises(FileNotFoundError, match=rf"{name} not found"):
            convert("--detections", tmp_path / name, "--gt", data_set, *export)
