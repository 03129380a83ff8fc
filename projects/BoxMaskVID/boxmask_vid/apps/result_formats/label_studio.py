"""Label Studio's JSON of tasks with videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ...files import write_records
from .detections import VideoDetections
from .result_format import ResultFormat


class LabelStudio(ResultFormat):
    """List of tasks, a video each, whose predictions are the tracks.

    Frames count from 1, boxes are in percent of the frame. A region ends at the frame that is not
    ``enabled``, so that nothing is interpolated. The video is named as a file of Label Studio's
    local storage.
    """

    name = "label-studio"
    suffix = ".json"
    takes_several = True

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        write_records(path, map(_task, videos))


def _task(video: VideoDetections) -> dict:
    file = video.video_file or f"{video.name}.mp4"
    regions = [_region(video, number, rows) for number, rows in enumerate(video.objects())]
    return {
        "data": {"video": f"/data/local-files/?d={quote(file)}"},
        "predictions": [{"model_version": "boxmask_vid", "result": regions}],
    }


def _region(video: VideoDetections, number: int, rows: np.ndarray) -> dict:
    value: dict[str, object] = {"framesCount": video.length}
    if video.fps:
        value["duration"] = video.length / video.fps
    frames = video.frames[rows]
    goes_on = np.diff(frames, append=-1) == 1
    value["sequence"] = [
        _key_frame(video, row, frame, enabled)
        for row, frame, enabled in zip(rows, frames.tolist(), goes_on.tolist(), strict=True)
    ]
    value["labels"] = [video.class_names[video.classes[rows[0]]]]
    return {
        "id": f"object_{number}",
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "score": float(video.scores[rows].max()),
        "value": value,
    }


def _key_frame(video: VideoDetections, row: int, frame: int, enabled: bool) -> dict:
    corners = video.boxes[row].reshape(2, 2) / video.sizes[frame] * 100
    (x, y), (width, height) = corners[0].tolist(), (corners[1] - corners[0]).tolist()
    key_frame = {
        "frame": frame + 1,
        "enabled": enabled,
        "rotation": 0,
        "x": x,
        "y": y,
        "width": width,
        "height": height,
        "score": float(video.scores[row]),
    }
    return key_frame | ({"time": (frame + 1) / video.fps} if video.fps else {})
