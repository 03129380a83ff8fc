"""Label Studio's JSON: how it says where a box is, what a task is called, what is refused."""

import json

import cv2
import numpy as np
import pytest

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid
from boxmask_vid.apps.dataset_tools.converters.label_studio import read_label_studio
from boxmask_vid.errors import InputError


def key_frame(frame: int, x: float, enabled: bool = True, **more: float) -> dict:
    return {"frame": frame, "enabled": enabled, "x": x, "y": 10, "width": 20, "height": 30} | more


def region(*sequence: dict, length: int = 6, labels: tuple[str, ...] = ("car",), **more) -> dict:
    value = {"framesCount": length, "sequence": list(sequence), "labels": list(labels)}
    return {"id": "r", "type": "videorectangle", "value": value} | more


def task(*regions: dict, video: object = "clip.mp4", **more) -> dict:
    annotations = [{"id": 1, "result": list(regions)}]
    return {"id": 7, "data": {"video": video}, "annotations": annotations} | more


def read(tmp_path, *tasks: dict):
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    return read_label_studio(path)


def places(labels) -> list[tuple]:
    return [(box.frame, round(box.bbox[0], 6)) for box in labels.videos[0].boxes]


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        # interpolated; the last key frame goes on to the end of the video
        ([key_frame(2, 0), key_frame(4, 10)], [(1, 0), (2, 5), (3, 10), (4, 10), (5, 10)]),
        # a box that is not enabled is the last one before a gap
        ([key_frame(1, 0), key_frame(3, 8, False)], [(0, 0), (1, 4), (2, 8)]),
        (
            [key_frame(1, 0, False), key_frame(4, 6), key_frame(5, 7, False)],
            [(0, 0), (3, 6), (4, 7)],
        ),
        # in any order
        ([key_frame(6, 5, False), key_frame(5, 4)], [(4, 4), (5, 5)]),
        ([], []),
    ],
)
def test_boxes_between_key_frames(tmp_path, sequence, expected):
    labels = read(tmp_path, task(region(*sequence)))
    assert places(labels) == expected
    assert all(box.bbox[1:] == (10, 20, 30) for box in labels.videos[0].boxes)
    assert labels.videos[0].drawn_on == (100, 100)


def test_rate_and_length_of_the_video(tmp_path):
    labels = read(tmp_path, task(region(key_frame(2, 0, time=0.08), key_frame(4, 0, time=0.16))))
    (video,) = labels.videos
    assert (video.rate, video.rough_length) == (25, 6)
    assert video.where.endswith("project.json, task 7, at 25 frames a second")
    assert [box.interpolated for box in video.boxes] == [False, True, False, True, True]
    (video,) = read(tmp_path, task()).videos
    assert (video.rate, video.rough_length) == (None, None)


@pytest.mark.parametrize("count", [6, 5, 12])
def test_a_video_of_another_length(tmp_path, capsys, count):
    """Label Studio counts frames by the duration of the file, in which sound goes on."""
    (tmp_path / "clip").mkdir()
    for index in range(count):
        cv2.imwrite(str(tmp_path / f"clip/{index:04d}.png"), np.zeros((60, 80, 3), np.uint8))
    path = tmp_path / "project.json"
    path.write_text(json.dumps([task(region(key_frame(2, 0), key_frame(4, 0), length=7))]))
    output = tmp_path / "out.json"

    def convert() -> list:
        convert_to_coco_vid(path, output, format="label-studio", root=tmp_path)
        annotations = json.loads(output.read_text())["annotations"]
        return [annotation["image_id"] - 1 for annotation in annotations]

    if count == 12:
        with pytest.raises(InputError, match=r"task 7 has 7 frames, clip has 12: give the video"):
            convert()
        return
    assert convert() == list(range(1, count))
    left_out = f"{7 - count} interpolated boxes on frames without a picture left out"
    assert left_out in capsys.readouterr().out


@pytest.mark.parametrize(
    ("video", "name"),
    [
        ("clip.mp4", "clip"),
        ("/data/upload/3/0a1b2c3d-my%20clip.v2.mp4", "my clip.v2"),
        ("/data/local-files/?d=videos%2Fstreet.mp4", "street"),
        ("https://bucket.example.com/a/b/street.mp4?signature=1", "street"),
        ("s3://bucket/street.mp4", "street"),
        (r"C:\videos\street.mp4", "street"),
    ],
)
def test_name_of_the_video(tmp_path, video, name):
    assert read(tmp_path, task(video=video)).videos[0].name == name
    by_another_name = task() | {"data": {"file": video, "minutes": 3}}
    assert read(tmp_path, by_another_name).videos[0].name == name


def test_what_is_left_out_is_counted(tmp_path):
    turned = region(key_frame(1, 0, rotation=0), key_frame(3, 0, False, rotation=30))
    labels = read(
        tmp_path,
        task(
            turned,
            region(key_frame(1, 0), labels=()),
            {"type": "choices", "value": {"choices": ["day"]}},
            {"type": "relation", "from_id": "r", "to_id": "r"},
        ),
    )
    assert places(labels) == [(0, 0)]
    assert labels.left_out == {
        "turned boxes": 2,
        "boxes without a label": 1,
        "results that are not boxes on videos": 2,
    }


def test_predictions_are_read_where_there_are_no_annotations(tmp_path):
    predictions = [{"model_version": "m", "result": [region(key_frame(6, 3), score=0.5)]}]
    labels = read(tmp_path, task(region(key_frame(6, 4)), predictions=predictions))
    assert (places(labels), labels.notes) == ([(5, 4)], [])
    cancelled = {"was_cancelled": True, "result": [region(key_frame(6, 5))]}
    labels = read(tmp_path, task(annotations=[cancelled], predictions=predictions), task())
    assert places(labels) == [(5, 3)]
    assert labels.notes == ["1 of 2 tasks have no annotations: their predictions are read"]


def test_tasks_that_nobody_has_annotated_are_not_empty_videos(tmp_path):
    skipped = task(annotations=[{"was_cancelled": True, "result": []}])
    open_ones = task(annotations=[], predictions=[12, 13])  # ids of them
    empty = task(annotations=[{"result": []}])  # submitted: it has no objects
    labels = read(tmp_path, skipped, open_ones, empty, task(region(key_frame(6, 4))))
    assert [len(video.boxes) for video in labels.videos] == [0, 1]
    assert labels.left_out == {"tasks that nobody has annotated": 2}
    with pytest.raises(InputError, match="has no annotations: its 2 tasks are skipped or not"):
        read(tmp_path, skipped, open_ones)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"a": 1}, "project.json is not a list of tasks: export it from Label Studio as 'JSON'"),
        ([], "project.json has no tasks"),
        ([{"id": 1, "video": "a.mp4", "box": []}], "task 1 has no 'data': export it from Label"),
        ([task(video=None)], "task 7: 'data' does not name a 'video'"),
        ([task(video="http://[a.mp4")], "task 7: the video 'http://[a.mp4' is not an address"),
        ([task(annotations="a")], "task 7: 'annotations' is not a list"),
        ([task(annotations=[{"id": 1}])], "task 7: 'result' is not a list of records"),
        ([task(annotations=[{"result": []}, {"result": []}])], "has 2 annotations: keep one"),
        ([task(region(labels=("car", "bus")))], "result r has 2 labels, car, bus: keep one"),
        ([task(region(labels=(1,)))], "result r: 'labels' is [1], not a list of texts"),
        ([task(region(key_frame(7, 1)))], "result r: frame 7 is not one of 1 to 6"),
        ([task(region(key_frame(0, 1)))], "result r: frame 0 is not one of 1 to 6"),
        ([task(region(key_frame(2, 1), key_frame(2, 3)))], "result r: frame 2 occurs twice"),
        ([task(region(key_frame(2, "a")))], "result r, frame 2: x is 'a' and must be a number"),
        ([task(region(length=0))], "result r: the video has 0 frames: correct 'framesCount'"),
        ([task(region(), region(length=9))], "'framesCount' is 6 and 9: a video has one number"),
        ([task(region(1))], "result r: 'sequence' is not a list of boxes"),
    ],
)
def test_mistakes_get_a_sentence(tmp_path, tasks, message):
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    with pytest.raises(InputError) as error:
        read_label_studio(path)
    assert message in str(error.value)


def test_a_part_of_a_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a frame is 1\.4 and must be a whole number"):
        read(tmp_path, task(region(key_frame(1.4, 0))))


@pytest.mark.parametrize(
    ("numbers", "is_read"),
    [
        (range(6), True),
        (range(1, 7), True),
        (range(100, 106), True),
        (range(5), True),  # sound goes on
        (range(1, 6), False),  # the first one may be missing
        ([0, 1, 3, 4, 5], False),
    ],
)
def test_images_lack_none_at_the_start_and_in_between(tmp_path, numbers, is_read):
    (tmp_path / "clip").mkdir()
    for number in numbers:
        cv2.imwrite(str(tmp_path / f"clip/{number:06d}.png"), np.zeros((24, 32, 3), np.uint8))
    sequence = [key_frame(2, 0), key_frame(3, 10, False)]
    (tmp_path / "project.json").write_text(json.dumps([task(region(*sequence))]))
    arguments = tmp_path / "project.json", tmp_path / "o.json"
    if is_read:
        convert_to_coco_vid(*arguments, format="label-studio", root=tmp_path)
    else:
        with pytest.raises(InputError, match=r"has 6 frames, .*clip has 5 images, from 0.*gaps"):
            convert_to_coco_vid(*arguments, format="label-studio", root=tmp_path)
