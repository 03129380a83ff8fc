"""YouTube-VIS JSON: a data set of detections, or results alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import InputError
from ...files import write_json, write_records
from .detections import VideoDetections
from .result_format import ResultFormat


class YouTubeVISResults(ResultFormat):
    """List of results ``{video_id, category_id, score, bboxes}``.

    ``bboxes`` has ``[x, y, width, height]`` for each frame, None where the object is not found. The
    score is the average over its boxes.
    """

    name = "youtube-vis-results"
    suffix = ".json"
    takes_several = True

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        write_records(path, (result for video in videos for result in _results(video)))


class YouTubeVIS(ResultFormat):
    """Data set with ``videos``, ``categories`` and the results as ``annotations``."""

    name = "youtube-vis"
    suffix = ".json"
    takes_several = True

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        names = list(zip(videos[0].numbers_of_classes, videos[0].class_names, strict=True))
        results = (result for video in videos for result in _results(video))
        content = {
            "info": {"description": "detections"},
            "videos": [_video(video) for video in videos],
            "categories": [{"id": number, "name": name} for number, name in names],
            "annotations": [
                {"id": number, **result, "iscrowd": 0} for number, result in enumerate(results, 1)
            ],
        }
        write_json(path, content)


def _video(video: VideoDetections) -> dict:
    if video.size is None:
        raise InputError(
            f"The video {video.name} has frames of several sizes, which YouTube-VIS cannot say: "
            "export it as yolo, mot or cvat."
        )
    width, height = video.size
    return {
        "id": video.video_id,
        "width": width,
        "height": height,
        "length": video.length,
        "file_names": video.image_files,
    }


def _results(video: VideoDetections) -> Iterator[dict]:
    for rows in video.objects():
        boxes: list[list[float] | None] = [None] * video.length
        for frame, (x1, y1, x2, y2) in zip(
            video.frames[rows].tolist(), video.boxes[rows].tolist(), strict=True
        ):
            boxes[frame] = [x1, y1, x2 - x1, y2 - y1]
        yield {
            "video_id": video.video_id,
            "category_id": video.numbers_of_classes[video.classes[rows[0]]],
            "score": float(video.scores[rows].mean()),
            "bboxes": boxes,
        }
