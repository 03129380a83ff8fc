"""Video files that annotations belong to, read in place or extracted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

import cv2

from ....data.datasets.spellings import spelled_as_there
from ....errors import InputError
from ....files import write_new
from ....video import VideoFile
from ....video.image_files import VIDEO_SUFFIXES
from .frames import Frames
from .labels import VideoLabels

JPEG_OPTIONS = (cv2.IMWRITE_JPEG_QUALITY, 95)
ALMOST = 0.002  # two rates that differ less are 60 and 59.94 frames a second
OTHER_RATE = "videos have another rate than the numbered images (give the images to be certain)"


def find_file(root: Path, video: VideoLabels) -> Path | None:
    """Find the video file of a video below a folder; None if there is none."""
    stems = dict.fromkeys((*video.folders, video.name))
    inside = [p for p in map(PurePosixPath, stems) if not p.is_absolute() and ".." not in p.parts]
    candidates = [root / f"{stem}{suffix}" for stem in inside for suffix in VIDEO_SUFFIXES]
    candidates = [
        root / spelled_as_there(root, path.relative_to(root).as_posix()) for path in candidates
    ]
    candidates += [path.with_suffix(path.suffix.upper()) for path in candidates]
    return next((path for path in candidates if os.path.isfile(path)), None)


def find_video_file(
    root: Path, extract: Path | None, first_number: int | None, video: VideoLabels
) -> Frames:
    """Find the video file of a video below a folder.

    Args:
        root: the folder.
        extract: write its frames as JPEG below this folder.
        first_number: see :class:`Frames`; None for that of the annotations.
        video: annotations.
    """
    found = find_file(root, video)
    if found is None:
        raise InputError(
            f"Video file {root / video.name}.mp4 (or {', '.join(VIDEO_SUFFIXES[1:])}) of "
            f"{video.where} not found: check --videos."
        )
    with VideoFile(found) as file:
        _check_length(video, found, len(file))
        about: dict[str, Any] = {
            "first_number": video.first_number if first_number is None else first_number
        }
        if video.rate is not None and file.fps != video.rate:
            if abs(file.fps / video.rate - 1) < ALMOST:
                about["frames_per_number"] = file.fps / video.rate
            else:
                about["left_out"] = Counter({OTHER_RATE: 1})
        name_below = found.relative_to(root).as_posix()
        if extract is None:
            file.check()
            height, width, _ = file[0].shape
            sizes = [(width, height)] * len(file)
            return Frames(sizes, video_file=name_below, **about)
        sizes, files = [], []
        (extract / video.name).mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(file):
            name = f"{video.name}/{index:06d}.jpg"
            is_encoded, content = cv2.imencode(".jpg", frame, JPEG_OPTIONS)
            if not is_encoded:
                raise OSError(f"OpenCV cannot encode frame {index} of {found}")
            write_new(extract / name, content.tobytes(), option="--extract")
            sizes.append((frame.shape[1], frame.shape[0]))
            files.append(name)
    return Frames(sizes, files, extracted_from=name_below, **about)


def _check_length(video: VideoLabels, path: Path, length: int) -> None:
    numbers = video.frames
    if numbers is None or (len(numbers) == length and numbers[-1] < length):
        return
    if len(numbers) > length or numbers[-1] >= length or not video.is_part:
        raise InputError(
            f"{video.where} has {len(numbers)} frames, {numbers[0]} to {numbers[-1]}, {path} has "
            f"{length}: give the video that was annotated."
        )
