"""Detections of a video that are collected frame by frame."""

import numpy as np
import pytest

from boxmask_vid.apps.result_formats import FORMATS, DetectionRecorder
from boxmask_vid.apps.result_formats.detections import video_name
from boxmask_vid.video import open_frames


def record(frame: int, *boxes: tuple) -> dict:
    rows = [
        {"class": name, "score": 0.5, "box": [1, 2, 30, 40], "track": track}
        for name, track in boxes
    ]
    return {"frame": frame, "time": frame / 25, "detections": rows}


def test_frames_that_are_missing_and_sizes_that_change(tmp_path):
    """Of seven frames the first and the fourth cannot be decoded, and the last does not come."""
    source = open_frames([np.zeros((60, 80, 3), np.uint8)] * 7)
    recorder = DetectionRecorder("clips/a.mp4", source, ["cat", "dog"])
    for frame, size in ((1, (80, 60)), (2, (80, 60)), (4, (160, 120)), (5, (160, 120))):
        recorder.append(record(frame, ("dog", 3), ("cat", None)), size)
    video = recorder.detections()
    assert (video.name, video.length, len(video)) == ("a", 7, 8)
    assert video.sizes.tolist() == [[80, 60]] * 4 + [[160, 120]] * 3
    assert video.is_seen.tolist() == [False, True, True, False, True, True, False]
    assert video.frames.tolist() == [1, 1, 2, 2, 4, 4, 5, 5]
    assert [rows.tolist() for rows in video.objects()] == [[0, 2, 4, 6], [1], [3], [5], [7]]
    FORMATS["yolo"].write(tmp_path, [video])
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [f"00000{frame}.txt" for frame in (1, 2, 4, 5)]


def test_no_frame_at_all():
    recorder = DetectionRecorder("0", open_frames(iter([])), ["cat"])
    assert (recorder.detections().length, len(recorder.detections())) == (0, 0)


def test_a_track_is_an_object_of_one_class():
    recorder = DetectionRecorder("0", open_frames(iter([])), ["cat", "dog"])
    recorder.append(record(0, ("cat", 1), ("dog", 1)), (80, 60))
    assert [rows.tolist() for rows in recorder.detections().objects()] == [[0], [1]]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("clips/a.b.mp4", "a.b"),
        ("frames.1", "frames.1"),
        ("frames.1/", "frames.1"),
        ("frames.1/*.png", "frames.1"),
        (".", "here"),
        ("*.png", "here"),
        ("rtsp://camera/live.sdp", "live"),
        ("0", "0"),
    ],
)
def test_names_of_videos(tmp_path, monkeypatch, path, name):
    (tmp_path / "here/frames.1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert video_name(path) == name
