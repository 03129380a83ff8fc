"""What the files say, compared with what was written by hand; and what cannot be written."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from boxmask_vid.apps.result_formats import FORMATS, VideoDetections, parse_exports, write_exports
from boxmask_vid.errors import InputError
from support.result_formats import random_video

# a track in frames 0, 1 and 3 of 4, and a detection in frame 3 that is not linked
VIDEO = VideoDetections(
    name="a&b",
    class_names=["cat", "<dog>"],
    sizes=np.array([[100, 50]] * 4),
    frames=np.array([0, 1, 3, 3]),
    classes=np.array([1, 1, 1, 0]),
    scores=np.array([0.5, 0.75, 1, 0.25]),
    boxes=np.array([[10.0, 5, 30, 25], [12, 5, 32, 25], [16, 5, 36, 25], [0, 0, 100, 50]]),
    tracks=np.array([4, 4, 4, -1]),
    video_file="a&b.mp4",
    fps=10.0,
)

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>a&amp;b</name>
<size>4</size>
<mode>interpolation</mode>
<start_frame>0</start_frame>
<stop_frame>3</stop_frame>
<labels><label><name>cat</name>
{score}</label>
<label><name>&lt;dog&gt;</name>
{score}</label>
</labels>
<original_size><width>100</width>
<height>50</height>
</original_size>
<source>a&amp;b.mp4</source>
</task>
</meta>
<track id="0" label="&lt;dog&gt;" source="auto">{first}{second}{gap}{third}</track>
<track id="1" label="cat" source="auto">{alone}</track>
</annotations>
"""
SCORE = """<attributes><attribute><name>score</name>
<mutable>True</mutable>
<input_type>text</input_type>
<default_value/>
<values/>
</attribute>
</attributes>
"""


def cvat_box(frame: int, x1: float, y1: float, x2: float, y2: float, score: float, outside=0):
    return (
        f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" z_order="0" '
        f'xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"><attribute name="score">{score}</attribute>\n'
        "</box>\n"
    )


def test_cvat(tmp_path):
    FORMATS["cvat"].write(tmp_path / "a.xml", [VIDEO])
    expected = CVAT.format(
        score=SCORE,
        first=cvat_box(0, 10.0, 5.0, 30.0, 25.0, 0.5),
        second=cvat_box(1, 12.0, 5.0, 32.0, 25.0, 0.75),
        gap=cvat_box(2, 12.0, 5.0, 32.0, 25.0, 0.75, outside=1),
        third=cvat_box(3, 16.0, 5.0, 36.0, 25.0, 1.0),
        alone=cvat_box(3, 0.0, 0.0, 100.0, 50.0, 0.25),
    )
    assert (tmp_path / "a.xml").read_text() == expected


def test_mot(tmp_path):
    rows = (
        "1,5,11.0,6.0,20.0,20.0,0.5,2,1\n2,5,13.0,6.0,20.0,20.0,0.75,2,1\n"
        "4,5,17.0,6.0,20.0,20.0,1.0,2,1\n4,-1,1.0,1.0,100.0,50.0,0.25,1,1\n"
    )
    FORMATS["mot"].write(tmp_path / "a.txt", [VIDEO])
    assert (tmp_path / "a.txt").read_text() == rows
    FORMATS["mot"].write(tmp_path / "mot", [VIDEO])
    assert (tmp_path / "mot/a&b/det/det.txt").read_text() == rows
    assert (tmp_path / "mot/a&b/gt/gt.txt").read_text() == (
        "1,5,10.0,5.0,20.0,20.0,1,2,1\n2,5,12.0,5.0,20.0,20.0,1,2,1\n"
        "4,5,16.0,5.0,20.0,20.0,1,2,1\n4,-1,0.0,0.0,100.0,50.0,1,1,1\n"
    )
    assert (tmp_path / "mot/a&b/gt/labels.txt").read_text() == "cat\n<dog>\n"
    assert (tmp_path / "mot/a&b/seqinfo.ini").read_text() == (
        "[Sequence]\nname=a&b\nimDir=img1\nframeRate=10\nseqLength=4\nimWidth=100\nimHeight=50\n"
        "imExt=.jpg\n"
    )


def test_yolo(tmp_path):
    FORMATS["yolo"].write(tmp_path / "labels", [VIDEO])
    assert (tmp_path / "labels/classes.txt").read_text() == "cat\n<dog>\n"
    texts = [path.read_text() for path in sorted((tmp_path / "labels/a&b").iterdir())]
    assert texts == [
        "1 0.2 0.3 0.19999999999999998 0.4 4\n",
        "1 0.22 0.3 0.2 0.4 4\n",
        "",
        "1 0.26 0.3 0.19999999999999998 0.4 4\n0 0.5 0.5 1.0 1.0\n",
    ]


def test_youtube_vis(tmp_path):
    dog = {"video_id": 1, "category_id": 2, "score": 0.75}
    dog["bboxes"] = [[10, 5, 20, 20], [12, 5, 20, 20], None, [16, 5, 20, 20]]
    cat = {"video_id": 1, "category_id": 1, "score": 0.25}
    cat["bboxes"] = [None, None, None, [0, 0, 100, 50]]
    FORMATS["youtube-vis-results"].write(tmp_path / "results.json", [VIDEO])
    assert json.loads((tmp_path / "results.json").read_text()) == [dog, cat]
    FORMATS["youtube-vis"].write(tmp_path / "all.json", [VIDEO])
    content = json.loads((tmp_path / "all.json").read_text())
    assert content["annotations"] == [
        {"id": 1, **dog, "iscrowd": 0},
        {"id": 2, **cat, "iscrowd": 0},
    ]
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "<dog>"}]
    (video,) = content["videos"]
    assert video.pop("file_names") == [f"a&b/00000{frame}.jpg" for frame in range(4)]
    assert video == {"id": 1, "width": 100, "height": 50, "length": 4}


def test_label_studio(tmp_path):
    FORMATS["label-studio"].write(tmp_path / "a.json", [VIDEO])
    (task,) = json.loads((tmp_path / "a.json").read_text())
    assert task["data"] == {"video": "/data/local-files/?d=a%26b.mp4"}
    ((dog, cat),) = (prediction["result"] for prediction in task["predictions"])
    assert (dog["type"], dog["from_name"], dog["to_name"]) == ("videorectangle", "box", "video")
    assert (dog["score"], cat["score"]) == (1, 0.25)
    assert (dog["value"]["labels"], cat["value"]["labels"]) == (["<dog>"], ["cat"])
    assert (dog["value"]["framesCount"], dog["value"]["duration"]) == (4, 0.4)
    sequence = dog["value"]["sequence"]
    assert [(row["frame"], row["enabled"], row["time"]) for row in sequence] == [
        (1, True, 0.1),
        (2, False, 0.2),
        (4, False, 0.4),
    ]
    sides = [[row[side] for side in ("x", "y", "width", "height")] for row in sequence]
    assert np.allclose(sides, [[10, 10, 20, 40], [12, 10, 20, 40], [16, 10, 20, 40]])


def test_frames_of_several_sizes(tmp_path):
    video = replace(VIDEO, sizes=np.array([[100, 50], [100, 50], [100, 50], [200, 100]]))
    for name in ("cvat", "mot", "yolo", "label-studio"):
        FORMATS[name].write(tmp_path / name, [video])
    assert "original_size" not in (tmp_path / "cvat/a&b.xml").read_text()
    assert "imWidth" not in (tmp_path / "mot/a&b/seqinfo.ini").read_text()
    assert (tmp_path / "yolo/a&b/000003.txt").read_text().splitlines()[1] == "0 0.25 0.25 0.5 0.5"
    with pytest.raises(InputError, match="a&b has frames of several sizes, which YouTube-VIS"):
        FORMATS["youtube-vis"].write(tmp_path / "a.json", [video])


def test_boxes_over_the_edge_are_cut_for_yolo(tmp_path):
    boxes = np.array([[-50.0, -25, 50, 25], [75, 25, 300, 300], [-9, -9, -1, -1], [5, 5, 5, 9]])
    FORMATS["yolo"].write(tmp_path / "labels", [replace(VIDEO, boxes=boxes)])
    texts = [path.read_text() for path in sorted((tmp_path / "labels/a&b").iterdir())]
    assert texts == [
        "1 0.25 0.25 0.5 0.5 4\n",
        "1 0.875 0.75 0.25 0.5 4\n",
        "",
        "",
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_detection_at_all(tmp_path, name):
    video = random_video(0, length=3).of_score(2)
    path = tmp_path / f"out{FORMATS[name].suffix}"
    FORMATS[name].write(path, [video])
    assert path.exists()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["cvat"], "--export cvat: write it as FORMAT=PATH"),
        (["cvat="], "--export cvat=: write it as FORMAT=PATH"),
        (["cvt=a.xml"], "there is no format 'cvt': did you mean cvat?"),
        (["cvat=a/b", "mot=a/../a/b"], "a/b twice: give each format its own place"),
    ],
)
def test_mistakes_in_options(texts, message):
    with pytest.raises(InputError) as error:
        parse_exports(texts)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "names", "classes", "message"),
    [
        ("cvat=a.json", ["a"], ["cat"], "only .xml is written there, or a folder"),
        ("yolo=a.txt", ["a"], ["cat"], "this is a folder: change the name"),
        ("cvat=a.xml", ["a", "b"], ["cat"], "is one file for 2 videos: give a folder"),
        ("mot=out", ["a"], ["c\nat"], r"the class name 'c\nat' is empty, has a line break"),
        ("mot=out", ["../a"], ["cat"], "cannot be named after video '../a'"),
        ("cvat=full", ["a"], ["cat"], "full/a.xml exists: remove it"),
        ("mot=full", ["a"], ["cat"], "full/a/gt/gt.txt exists: remove it"),
        ("yolo=full", ["a"], ["cat"], "full/a exists: remove it"),
        ("yolo=full", ["b"], ["dog"], "full/classes.txt names other classes"),
        ("cvat=full/a.xml/b.xml", ["b"], ["cat"], "b.xml cannot be written"),
    ],
)
def test_what_cannot_be_written_is_known_before(
    tmp_path, monkeypatch, text, names, classes, message
):
    monkeypatch.chdir(tmp_path)
    Path("full/a/gt").mkdir(parents=True)
    Path("full/a.xml").touch()
    Path("full/a/gt/gt.txt").touch()
    Path("full/classes.txt").write_text("cat\n")
    (export,) = parse_exports([text])
    with pytest.raises(InputError) as error:
        export.format.check(export.path, names, classes)
    assert message in str(error.value)


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_keeps_earlier_files(tmp_path, name):
    video = random_video(0)
    video = replace(video, sizes=np.tile(video.sizes, (2000, 1)))
    exports = parse_exports([f"{name}={tmp_path / 'out'}", f"mot={tmp_path / 'other'}"])
    exports[0].format.write(tmp_path / "out", [VIDEO, replace(VIDEO, name="clip_a")])
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, limits[1]))
    try:
        with pytest.raises(InputError, match=r"out/.*\(File too large\).* .*other/.*\(File too"):
            write_exports(exports, [video])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
