"""Rows of the MOTChallenge, alone or in sequences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ...files import written_whole
from ...video import DEFAULT_FPS
from .detections import VideoDetections
from .result_format import ResultFormat, only_video

GT = "gt/gt.txt"  # in the folder of a sequence


class MOTChallenge(ResultFormat):
    """Rows ``frame, id, x, y, width, height, score, class, visibility`` for each video.

    Frames, pixels and classes count from 1; the id is -1 where detections are not linked. A file
    has the rows alone. In a folder each video is a sequence with ``seqinfo.ini``: the rows are
    ``det/det.txt``, and ``gt`` has them as annotations, as CVAT writes these: pixels from 0, 1 in
    place of the scores, names of the classes in ``gt/labels.txt``.
    """

    name = "mot"
    suffix = ".txt"

    def targets(self, path: Path, video_names: Sequence[str]) -> list[Path]:
        if self.is_file(path):
            return [path]
        return [path / name / GT for name in video_names]

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        _write_lines(path, _rows(only_video(videos)))

    def write_folder(self, folder: Path, videos: Sequence[VideoDetections]) -> None:
        for video in videos:
            sequence = folder / video.name
            _write_lines(sequence / "det/det.txt", _rows(video))
            _write_lines(sequence / GT, _rows(video, is_truth=True))
            _write_lines(sequence / "gt/labels.txt", iter(video.class_names))
            _write_lines(sequence / "seqinfo.ini", _seqinfo(video))


def _rows(video: VideoDetections, *, is_truth: bool = False) -> Iterator[str]:
    first_pixel = 0 if is_truth else 1
    columns = video.frames, video.tracks, video.boxes, video.scores, video.classes
    for frame, track, box, score, label in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        x1, y1, x2, y2 = box
        number = track + 1 if track >= 0 else -1
        sides = x1 + first_pixel, y1 + first_pixel, x2 - x1, y2 - y1
        row = frame + 1, number, *sides, 1 if is_truth else score, label + 1, 1
        yield ",".join(map(repr, row))


def _seqinfo(video: VideoDetections) -> Iterator[str]:
    folder, suffix = "img1", ".jpg"
    if video.files:
        first = PurePosixPath(video.files[0])
        folder, suffix = os.path.relpath(first.parent, video.name), first.suffix
    yield "[Sequence]"
    yield f"name={video.name}"
    yield f"imDir={folder}"
    yield f"frameRate={video.fps or DEFAULT_FPS:g}"  # readers want one, images have none
    yield f"seqLength={video.length}"
    if video.size:
        yield f"imWidth={video.size[0]}"
        yield f"imHeight={video.size[1]}"
    yield f"imExt={suffix}"


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    with written_whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
