"""Frames that annotations belong to: folders of images, or video files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

import cv2
from PIL import Image

from ....errors import InputError
from ....video import VideoFile
from ....video.source import IMAGE_SUFFIXES
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
    first_number: int = 0  # of the first frame of a video file in the names of label files

    def position(self, frame: int | str) -> int | None:
        """Find the frame that annotations mean: by position, stem, or number in a stem."""
        if isinstance(frame, int):
            return frame if 0 <= frame < len(self.sizes) else None
        found = self._stems.get(frame)
        if found is None and (number := _last_number(frame)) is not None:
            if self.files is None:
                return self.position(number - self.first_number)
            if frame.isdigit():
                found = self._numbers.get(number)
        return found

    @cached_property
    def _stems(self) -> dict[str, int]:
        return {PurePath(file).stem: index for index, file in enumerate(self.files or ())}

    @cached_property
    def _numbers(self) -> dict[int | None, int]:
        return {_last_number(stem): index for stem, index in self._stems.items()}


def find_images(root: Path, video: VideoLabels) -> Frames:
    """Find the images of a video below a folder.

    Raises:
        InputError: if they do not exist or cannot be read.
    """
    if video.images is not None:
        files = list(video.images)
    else:
        folder = root / (video.folder or video.name)
        if not os.path.isdir(folder):  # also False for names that are not valid
            raise InputError(
                f"Folder {folder} with the images of the video of {video.where} not found: check "
                "--images."
            )
        found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
        if not found:
            raise InputError(
                f"Folder {folder} has no images ({', '.join(IMAGE_SUFFIXES)}): check --images."
            )
        files = [path.relative_to(root).as_posix() for path in sorted(found, key=natural_order)]
    return Frames([image_size(root / file) for file in files], files)


def find_video_file(
    root: Path, extract: Path | None, first_number: int, video: VideoLabels
) -> Frames:
    """Find the video file of a video below a folder.

    Args:
        root: the folder.
        extract: write its frames as JPEG below this folder.
        first_number: see :class:`Frames`.
        video: annotations.

    Raises:
        InputError: if it does not exist or cannot be read.
    """
    candidates = [root / f"{video.name}{suffix}" for suffix in VIDEO_SUFFIXES]
    candidates += [path.with_suffix(path.suffix.upper()) for path in candidates]
    found = next((path for path in candidates if os.path.isfile(path)), None)
    if found is None:
        raise InputError(
            f"Video file {root / video.name}.mp4 (or {', '.join(VIDEO_SUFFIXES[1:])}) of "
            f"{video.where} not found: check --videos."
        )
    with VideoFile(found) as file:
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
    return Frames(sizes, files)


def natural_order(path: PurePath | str) -> list:
    """Sort key of names with which frame 10 comes after frame 9."""
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


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


def _last_number(stem: str) -> int | None:
    found = re.search(r"(\d{1,12})$", stem)
    return int(found[1]) if found else None
