"""Random detections of videos, their media, and what the converters read back."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid
from boxmask_vid.apps.result_formats import VideoDetections
from boxmask_vid.video import VideoWriter

CLASSES = ['Hund & <Katze> "1"', "汽车", "it's, a % b"]
CONVERTERS = {
    "cvat": "cvat",
    "mot": "mot",
    "yolo": "yolo",
    "youtube-vis": "youtube-vis",
    "label-studio": "label-studio",
}
WIDTH, HEIGHT = 96, 72


def random_video(
    seed: int, name: str = "clip_a", *, length: int = 7, tracks: bool = True, **fields: object
) -> VideoDetections:
    """Objects that come and go; a tenth of the boxes touches the edges."""
    rng = np.random.default_rng(seed)
    size = np.array([WIDTH, HEIGHT])
    rows = []
    for track, label in enumerate(rng.integers(0, len(CLASSES), 6)):
        for frame in np.flatnonzero(rng.random(length) < 0.6):
            corners = np.sort(rng.random((2, 2)), axis=0) * size
            if rng.random() < 0.1:
                corners = np.stack([0 * size, size])
            rows.append((frame, label, track if tracks else -1, rng.random(), *corners.ravel()))
    table = np.array(sorted(rows, key=lambda row: row[0])).reshape(-1, 8)
    frames, classes, numbers = table[:, :3].astype(int).T
    return VideoDetections(
        name=name,
        class_names=CLASSES,
        sizes=np.tile(size, (length, 1)),
        frames=frames,
        classes=classes,
        tracks=numbers,
        scores=table[:, 3],
        boxes=table[:, 4:],
        **fields,
    )


def write_media(root: Path, video: VideoDetections) -> None:
    """Images of the frames, or a video file."""
    root.mkdir(exist_ok=True)
    if video.files is None:
        with VideoWriter(root / f"{video.name}.mp4", 10) as writer:
            for width, height in video.sizes:
                writer.write(np.zeros((height, width, 3), np.uint8))
        return
    for file, (width, height) in zip(video.files, video.sizes, strict=True):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / file), np.zeros((height, width, 3), np.uint8))


def read_back(format: str, path: Path, root: Path, *, in_files: bool = False) -> dict:
    """What the converter of a format makes of a file or folder of results."""
    output = path.with_name(f"{path.name}_read.json")
    kwargs = {"format": CONVERTERS[format], "root": root, "video_files": in_files}
    convert_to_coco_vid(path, output, **kwargs, classes=CLASSES)
    return json.loads(output.read_text())


def read_boxes(content: dict, name: str) -> list[tuple]:
    """(frame, class, corners, instance id) of all boxes of a video, in order."""
    (video,) = (video["id"] for video in content["videos"] if video["name"] == name)
    frames = {i["id"]: i["frame_id"] for i in content["images"] if i["video_id"] == video}
    names = {category["id"]: category["name"] for category in content["categories"]}
    found = []
    for annotation in content["annotations"]:
        if annotation["image_id"] in frames:
            x, y, w, h = annotation["bbox"]
            label = names[annotation["category_id"]]
            corners = tuple(round(side, 6) for side in (x, y, x + w, y + h))
            track = annotation.get("instance_id")
            found.append((frames[annotation["image_id"]], label, corners, track))
    return sorted(found, key=lambda row: row[:3])


def expected_boxes(video: VideoDetections) -> list[tuple]:
    """The same of detections, with their tracks; None without."""
    rows = []
    columns = video.frames, video.classes, video.boxes, video.tracks
    for frame, label, box, track in zip(*(c.tolist() for c in columns), strict=True):
        corners = tuple(round(side, 6) for side in box)
        rows.append((frame, video.class_names[label], corners, None if track < 0 else track))
    return sorted(rows, key=lambda row: row[:3])


def assert_same(content: dict, video: VideoDetections, *, tracks: str = "same") -> None:
    """Compare what was read with what was written.

    ``tracks``: "same" objects, "single" boxes that are an object each, or "none".
    """
    found, expected = read_boxes(content, video.name), expected_boxes(video)
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    np.testing.assert_allclose(
        [row[2] for row in found], [row[2] for row in expected], atol=2e-6, rtol=0
    )
    numbers = [row[3] for row in found]
    if tracks == "none":
        assert set(numbers) <= {None}
    elif tracks == "single":
        assert None not in numbers
        assert len(set(numbers)) == len(numbers)
    else:
        called = defaultdict(set)
        for (*_, track), (*_, number) in zip(expected, found, strict=True):
            called[track].add(number)
        assert all(len(names) == 1 for names in called.values())
        assert len(set(numbers)) == len(called)
