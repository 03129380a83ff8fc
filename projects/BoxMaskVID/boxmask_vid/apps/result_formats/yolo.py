"""YOLO text files, one for each frame."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError, writing
from ...files import written_whole
from .detections import NO_TRACK, VideoDetections
from .result_format import ResultFormat

CLASSES = "classes.txt"


class YOLO(ResultFormat):
    """Folder with ``classes.txt`` and ``<video>/<frame>.txt``, also for frames without objects, but
    not for those that were not looked at.

    Rows are ``class x_centre y_centre width height``, relative to the frame, and the track where
    detections are linked; classes count from 0. They have no scores: with these, tools take them
    for predictions that are not to be trained on. Boxes are cut at the edges of their frame, and
    left out where nothing remains.
    """

    name = "yolo"
    suffix = ""

    def check(
        self, path: Path, video_names: Sequence[str], class_names: Sequence[str], **options: bool
    ) -> None:
        super().check(path, video_names, class_names, **options)
        classes = path / CLASSES
        if classes.is_file() and classes.read_text("utf-8", "replace") != _lines(class_names):
            raise InputError(
                f"--export yolo={path}: {classes} names other classes than the detections have: "
                "choose another folder, or remove it."
            )

    def write_folder(self, folder: Path, videos: Sequence[VideoDetections]) -> None:
        for video in videos:
            _write_video(folder / video.name, video)
        if videos:
            with written_whole(folder / CLASSES) as unfinished:
                unfinished.write_text(_lines(videos[0].class_names), "utf-8")


def _lines(names: Sequence[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _write_video(folder: Path, video: VideoDetections) -> None:
    """Write all files of a video, then put them in the place of earlier ones."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        with writing(folder):
            names = video.frame_names
            if len(set(names)) < len(names):
                raise InputError(
                    f"Two frames of {video.name} have the same name, and YOLO has a file for each: "
                    "rename the images."
                )
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            for frame, name in enumerate(names):
                if video.is_seen is None or video.is_seen[frame]:
                    (unfinished / f"{name}.txt").write_text(_rows(video, frame), "utf-8")
            if folder.is_dir():
                shutil.rmtree(folder)
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _rows(video: VideoDetections, frame: int) -> str:
    rows = video.rows_of(frame)
    corners = (video.boxes[rows].reshape(-1, 2, 2) / video.sizes[frame]).clip(0, 1)
    lines = []
    for label, (low, high), track in zip(
        video.classes[rows].tolist(), corners, video.tracks[rows].tolist(), strict=True
    ):
        shares = np.concatenate([(low + high) / 2, high - low]).tolist()
        if min(shares[2:]) > 0:
            words = [label, *shares, *([] if track == NO_TRACK else [track])]
            lines.append(" ".join(map(repr, words)) + "\n")
    return "".join(lines)
