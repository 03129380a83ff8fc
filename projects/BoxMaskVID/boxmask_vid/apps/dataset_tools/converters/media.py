"""Frames that annotations belong to: folders of images, or video files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import cv2
from PIL import Image

from ....data.datasets.numbered_frames import (
    IMAGE_SUFFIXES,
    list_pictures,
    match_frames,
    match_open_count,
    one_clip,
)
from ....errors import InputError
from ....video import VideoFile
from .labels import VideoLabels

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv")
JPEG_OPTIONS = (cv2.IMWRITE_JPEG_QUALITY, 95)
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Frames:
    """Frames of a video."""

    sizes: Sequence[tuple[int, int]]  # width and height of each frame
    files: Sequence[str] | None = None  # image files below the root; None for a video file
    video_file: str | None = None  # video file below the root, if frames are read in place
    # of the first frame of a video file in the names of label files; None for images
    first_number: int | None = None
    places: Mapping[int, int] | None = None  # position of each number; None if they are equal
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Folder or video file, for messages."""
        if self.video_file is not None:
            return self.video_file
        return PurePosixPath(self.files[0]).parent.as_posix() if self.files else "its video"

    def position(self, frame: int | str) -> int | None:
        """Find the frame that annotations mean: by its number, stem, or number in a stem."""
        if isinstance(frame, int):
            if self.places is not None:
                return self.places.get(frame)
            return frame if 0 <= frame < len(self.sizes) else None
        number = last_number(frame)
        if self.first_number is not None:
            return None if number is None else self.position(number - self.first_number)
        found = self._stems.get(frame)
        return self._numbers.get(number) if found is None and frame.isdigit() else found

    @cached_property
    def _stems(self) -> dict[str, int]:
        return {PurePath(file).stem: index for index, file in enumerate(self.files or ())}

    @cached_property
    def _numbers(self) -> dict[int | None, int]:
        """Positions of numbers that occur once."""
        numbers = {stem: last_number(stem) for stem in self._stems}
        counts = Counter(numbers.values())
        return {n: self._stems[stem] for stem, n in numbers.items() if counts[n] == 1}


def find_images(root: Path, video: VideoLabels) -> Frames:
    """Find the images of a video below a folder."""
    if video.images is not None:
        return _frames(root, list(video.images))
    folders = [root / folder for folder in video.folders or (video.name,)]
    # os.path.isdir is also False for names that are not valid
    existing = [folder for folder in folders if os.path.isdir(folder)]
    if not existing:
        raise InputError(
            f"Folder {folders[0]} with the images of the video of {video.where} not found: check "
            "--images."
        )
    found, left_out = next(filter(itemgetter(0), map(list_pictures, existing)), ([], Counter()))
    if not found:
        raise InputError(
            f"Folder {existing[0]} has no images ({', '.join(IMAGE_SUFFIXES)}): check --images."
        )
    files = [path.relative_to(root).as_posix() for path in found]
    places = None
    if video.frames is not None:
        clip = one_clip(files, str(found[0].parent))
        files = list(clip.files)
        drawn = {box.frame for box in video.boxes if not box.interpolated}
        numbers = {frame for frame in drawn if isinstance(frame, int)}
        places = match_frames(
            clip, video.frames, numbers, where=video.where, more_pictures=video.is_part
        )
    elif video.open_count is not None:
        clip = one_clip(files, str(found[0].parent))
        files = list(clip.files)
        places = match_open_count(
            clip,
            {box.frame for box in video.boxes if isinstance(box.frame, int)},
            where=video.where,
            may_be_places=video.open_count.may_be_places,
        )
    return _frames(root, files, places=places, left_out=left_out)


def _frames(root: Path, files: list[str], **more: Any) -> Frames:
    return Frames([image_size(root / file) for file in files], files, **more)


def find_file(root: Path, video: VideoLabels) -> Path | None:
    """Find the video file of a video below a folder; None if there is none."""
    stems = dict.fromkeys((*video.folders, video.name))
    candidates = [root / f"{stem}{suffix}" for stem in stems for suffix in VIDEO_SUFFIXES]
    candidates += [path.with_suffix(path.suffix.upper()) for path in candidates]
    return next((path for path in candidates if os.path.isfile(path)), None)


def find_video_file(
    root: Path, extract: Path | None, first_number: int, video: VideoLabels
) -> Frames:
    """Find the video file of a video below a folder.

    Args:
        root: the folder.
        extract: write its frames as JPEG below this folder.
        first_number: see :class:`Frames`.
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
        if extract is None:
            file.check()
            height, width, _ = file[0].shape
            sizes = [(width, height)] * len(file)
            name = found.relative_to(root).as_posix()
            return Frames(sizes, video_file=name, first_number=first_number)
        sizes, files = [], []
        (extract / video.name).mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(file):
            name = f"{video.name}/{index:06d}.jpg"
            if not cv2.imwrite(str(extract / name), frame, JPEG_OPTIONS):
                raise OSError(f"OpenCV cannot write {extract / name}")
            sizes.append((frame.shape[1], frame.shape[0]))
            files.append(name)
    return Frames(sizes, files, first_number=first_number)


def _check_length(video: VideoLabels, path: Path, length: int) -> None:
    numbers = video.frames
    if numbers is None or (len(numbers) == length and numbers[-1] < length):
        return
    if len(numbers) > length or numbers[-1] >= length or not video.is_part:
        raise InputError(
            f"{video.where} has {len(numbers)} frames, {numbers[0]} to {numbers[-1]}, {path} has "
            f"{length}: give the video that was annotated."
        )


def image_size(path: Path) -> tuple[int, int]:
    """Read width and height, as shown, from the header of a file."""
    try:
        with Image.open(path) as image:
            return oriented_size(image)
    except FileNotFoundError as error:
        raise InputError(f"Image {path} not found: check --images.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"Image {path} cannot be read ({error}): replace it.") from error


def oriented_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as shown, after the rotation that the camera recorded."""
    width, height = image.size
    turned = image.getexif().get(EXIF_ORIENTATION, 1) >= 5
    return (height, width) if turned else (width, height)


def last_number(stem: str) -> int | None:
    """Number at the end of a name; None if it does not end with one."""
    found = re.search(r"(\d{1,12})$", stem)
    return int(found[1]) if found else None
