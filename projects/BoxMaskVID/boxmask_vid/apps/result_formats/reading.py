"""Detections read from files: COCO results of a data set, JSON lines of ``demo.py``."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from detectron2.structures import Boxes, Instances

from ...data.datasets.vid_json import VIDTable, vid_table
from ...errors import InputError
from ...evaluation import GroundTruth, read_detections
from ...files import read_json
from ...video import open_frames
from ..linking import TrackLinker
from .detections import DetectionRows, VideoDetections, sizes_of_frames, video_of_source

logger = logging.getLogger(__name__)

REMEDY = "give the JSON lines that demo.py writes"


def read_coco_results(path: Path, data_set: Path) -> list[VideoDetections]:
    """Read COCO results for all videos of a COCO-VID JSON, whose boxes are not used.

    Raises:
        FileNotFoundError: if one of the files does not exist.
        InputError: if a value in them is invalid, or two videos have the same name.
    """
    table, videos = _read_data_set(data_set)
    ground_truth = GroundTruth.from_table(table)
    found = read_detections(path, ground_truth)
    frames = ground_truth.image_frames[found.images]
    of_video = ground_truth.video_ids[ground_truth.image_videos[found.images]]
    order = np.lexsort((-found.scores, frames, of_video))
    boxes = np.concatenate([found.boxes[:, :2], found.boxes[:, :2] + found.boxes[:, 2:]], axis=1)
    filled = []
    for video in videos:
        ends = np.searchsorted(of_video[order], (video.video_id, video.video_id + 1))
        rows = order[slice(*ends)]
        columns = frames[rows], found.classes[rows], found.scores[rows], boxes[rows]
        filled.append(video.with_detections(*columns))
    return filled


def read_json_lines_of_data_set(path: Path, data_set: Path) -> list[VideoDetections]:
    """Read the JSON lines of a video of a COCO-VID JSON: the only one, or that of their name.

    Raises:
        FileNotFoundError: if one of the files does not exist.
        InputError: if a value in them is invalid, or no video has the name.
    """
    _, videos = _read_data_set(data_set)
    named = [video for video in videos if video.name == path.stem]
    if len(videos) > 1 and not named:
        raise InputError(
            f"{data_set} has {len(videos)} videos and none is called '{path.stem}': name {path} "
            "after its video."
        )
    (video,) = named or videos
    return [_with_json_lines(video, path)]


def read_json_lines_of_video(path: Path, source: str) -> list[VideoDetections]:
    """Read the JSON lines of a video file or a folder of images; classes are in alphabetical order.

    Raises:
        FileNotFoundError: if one of them does not exist.
        InputError: if a value in the lines is invalid, or the frames cannot be read.
    """
    names = sorted({row["class"] for _, record in _records(path) for row in record["detections"]})
    frames = open_frames(source)
    table = np.array([(number, *frame.shape[1::-1]) for number, frame in enumerate(frames)])
    sizes = sizes_of_frames(table[:, 0], table[:, 1:], frames.length or 0)
    video = replace(video_of_source(source, frames, names), sizes=sizes)
    return [_with_json_lines(video, path)]


def link_tracks(video: VideoDetections) -> VideoDetections:
    """Link the detections of objects over frames, as ``demo.py --tracks`` does."""
    linker, tracks = TrackLinker(), []
    for frame, (width, height) in enumerate(video.sizes.tolist()):
        rows = video.rows_of(frame)
        boxes, classes = map(torch.from_numpy, (video.boxes[rows], video.classes[rows]))
        tracks += linker.link(
            Instances((height, width), pred_boxes=Boxes(boxes), pred_classes=classes)
        )
    return video.with_tracks(tracks)


def _read_data_set(path: Path) -> tuple[VIDTable, list[VideoDetections]]:
    """Data set and its videos without detections."""
    content = read_json(path)
    table = vid_table(content, str(path))
    videos = []
    for record in content["videos"]:
        rows = slice(*np.searchsorted(table.video_ids, (record["id"], record["id"] + 1)))
        video_file = record.get("file_name")
        video = VideoDetections(
            name=str(record.get("name", record["id"])),
            class_names=table.category_names,
            sizes=table.sizes[rows, ::-1],
            files=table.file_names[rows].tolist() if video_file is None else None,
            video_file=video_file,
            video_id=record["id"],
            category_ids=table.category_ids.tolist(),
        )
        if video.length:
            videos.append(video)
    names = [video.name for video in videos]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: two videos have the name '{repeated}': rename one of them.")
    return table, videos


def _with_json_lines(video: VideoDetections, path: Path) -> VideoDetections:
    """Put the detections of JSON lines into a video."""
    records: dict[int, dict] = {}
    for where, record in _records(path):
        frame = record["frame"]
        if not 0 <= frame < video.length or frame in records:
            problem = "twice" if frame in records else f"and the video has {video.length} frames"
            raise InputError(f"{where}: there is frame {frame} {problem}: give the right video.")
        for row in record["detections"]:
            if row["class"] not in video.class_names:
                raise InputError(
                    f"{where}: class '{row['class']}' is not one of "
                    f"{', '.join(video.class_names)}: give the data set of these detections."
                )
        records[frame] = record
    rows = DetectionRows(video.class_names)
    for frame in sorted(records):
        rows.append(records[frame])
    is_seen = np.isin(np.arange(video.length), list(records))
    return replace(rows.put_into(video), is_seen=is_seen)


def _records(path: Path) -> Iterator[tuple[str, dict]]:
    """Records of a file, each after its place for messages."""
    if not path.is_file():
        raise FileNotFoundError(f"File of detections {path} not found: check the path.")
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            where = f"{path}, line {number}"
            try:
                record = json.loads(line)
                seen = [(row["track"], row["class"]) for row in record["detections"]]
                correct = _is_whole(record["frame"]) and all(map(_is_row, record["detections"]))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                if not line.endswith("\n"):
                    logger.warning(f"{path}: the last line is torn and left out.")
                    return
                raise InputError(f"{where} is not a record of a frame: {REMEDY}.") from error
            if not correct:
                raise InputError(
                    f"{where} has a frame, class, score, box or track of a wrong kind: {REMEDY}."
                )
            tracks = [pair for pair in seen if pair[0] is not None]
            if repeated := next((pair for pair in tracks if tracks.count(pair) > 1), None):
                raise InputError(f"{where} has track {repeated[0]} twice: correct it.")
            yield where, record


def _is_row(row: dict) -> bool:
    numbers = [row["score"], *row["box"]]
    return (
        isinstance(row["class"], str)
        and (row["track"] is None or (_is_whole(row["track"]) and row["track"] >= 0))
        and len(numbers) == 5
        and all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
        and numbers[1] <= numbers[3]
        and numbers[2] <= numbers[4]
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
