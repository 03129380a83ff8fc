"""Opening of anything that has frames: arrays, image files, a video file, a camera or a stream."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import torch

from ..errors import InputError
from .arrays import ArraySource, described
from .frame_index import DisorderedTimes, NotSeekable
from .frame_source import FrameSource
from .image_files import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    AnimationSource,
    ImageSource,
    animated_pages,
    globbed_files,
    image_files,
)
from .live_source import CameraSource, StreamSource
from .opening import has_video_content
from .video_sources import SequentialVideoSource, VideoFileSource

ANIMATED_SUFFIXES = (*IMAGE_SUFFIXES, ".gif", ".apng", ".avif")

Frames = FrameSource | str | Path | int | Iterable[np.ndarray] | Sequence[str | Path]


def open_frames(source: Frames, *, fps: float | None = None) -> FrameSource:
    """Open a source of frames.

    Args:
        source: BGR arrays (grey, BGRA and 16-bit ones are converted), a folder or a glob of images
            (in the order of the numbers in their names), a list of image files (in its order), a
            video file or an animated image, the number of a camera, or the address of a video file
            (``http://...``) or a stream (``rtsp://...``).
        fps: frames per second of what has no clock: arrays, images, videos without time stamps;
            and of cameras and streams, in place of the times at which frames come.

    Raises:
        FileNotFoundError: if the path does not exist.
        InputError: if it cannot be read.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, int) and not isinstance(source, bool):
        return CameraSource(source, fps=fps)
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source), fps)
    if isinstance(source, (torch.Tensor, bytes, bool)) or not isinstance(source, Iterable):
        raise InputError(
            f"The frames are {described(source)}: give BGR arrays (height, width, 3) of uint8, "
            "image files, or the path of a video."
        )
    if isinstance(source, Sequence) and any(
        isinstance(item, (str, os.PathLike)) for item in source
    ):
        return ImageSource(_listed_files(source), fps)
    return ArraySource(source, fps)


def comes_live(source: str) -> bool:
    """Whether frames of this path are read as they come: of a camera's number or an address."""
    path = local_path(source)
    return path is None or (source.isdigit() and not path.exists())


def input_files(source: str) -> list[Path]:
    """Files that :func:`open_frames` reads for a path; none for cameras and addresses."""
    path = local_path(source)
    if path is None or comes_live(source):
        return []
    if path.is_dir():
        return [file for file in path.iterdir() if file.is_file()]
    return [path] if path.exists() else list(map(Path, glob.glob(str(path))))


def local_path(source: str) -> Path | None:
    """Path of a file or a folder, of ``file://`` too; None for other addresses."""
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    return None if "://" in source and not Path(source).exists() else Path(source)


def _open_path(source: str, fps: float | None) -> FrameSource:
    path = local_path(source)
    if path is None:
        return StreamSource(source, fps=fps)
    if path.is_dir():
        return ImageSource(image_files(path), fps)
    if comes_live(source):
        return CameraSource(int(source), fps=fps)
    if not path.exists():
        return ImageSource(globbed_files(str(path)), fps)
    if not path.is_file():
        raise InputError(
            f"{path} is neither a file nor a folder: give one, or the number of a camera (0 for "
            "/dev/video0)."
        )
    if path.suffix.lower() in ANIMATED_SUFFIXES and not has_video_content(path):
        pages = animated_pages(path)
        if len(pages) > 1 or path.suffix.lower() not in IMAGE_SUFFIXES:
            return AnimationSource(path, pages, fps)
        return ImageSource([path], fps)
    try:
        return VideoFileSource(path)
    except NotSeekable as error:
        has_times = not isinstance(error, DisorderedTimes)
        return SequentialVideoSource(path, fps=fps, has_times=has_times)


def _listed_files(items: Sequence[object]) -> list[Path]:
    """Image files of a list that has nothing else."""
    for number, item in enumerate(items):
        if not isinstance(item, (str, os.PathLike)):
            raise InputError(
                f"Frame {number} is {described(item)} and others are file names: give one kind."
            )
        path = Path(item)
        if not path.is_file():
            raise FileNotFoundError(f"Image {path} of frame {number} not found: check the path.")
        if path.suffix.lower() in VIDEO_SUFFIXES:
            raise InputError(f"Frame {number} is the video {path}: give videos one by one.")
        if path.suffix.lower() in ANIMATED_SUFFIXES and len(pages := animated_pages(path)) > 1:
            raise InputError(
                f"Frame {number} is {path}, which has {len(pages)} pictures: give it by itself, "
                "not in a list."
            )
    return [Path(str(item)) for item in items]
