"""Images as frames: which files of a folder or a glob, in which order, and what they show."""

from __future__ import annotations

import functools
import glob
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..data.datasets.numbered_frames import (
    ANNOTATION_SUFFIXES,
    IMAGE_SUFFIXES,
    check_doubles,
    is_hidden,
    list_pictures,
    natural_order,
)
from ..errors import InputError
from .arrays import as_bgr
from .frame_source import Frame, FrameSource

logger = logging.getLogger(__name__)

MOVING_SUFFIXES = (".png", ".webp", ".tif", ".tiff")  # of pictures that may be animations or stacks
TURNED_SUFFIXES = (".webp", ".tif", ".tiff")  # whose orientation OpenCV does not follow
EXIF_ORIENTATION = 0x0112
ANIMATED_FORMATS = ("GIF", "PNG", "WEBP", "AVIF", "TIFF")
VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv"),
    *(".mts", ".m2ts", ".3gp", ".3g2", ".flv", ".vob", ".ogv", ".asf", ".mxf"),
)
SHORTEST_PICTURE = 0.011  # seconds; browsers show pictures of less for UNTIMED_PICTURE
UNTIMED_PICTURE = 0.1
REDUCED_COPY, SUBFILE_TYPE = 1, 254  # of pages of a TIFF file


class ImageSource(FrameSource):
    """Image files; grey, transparent and 16-bit ones are converted to 8-bit BGR."""

    files: Sequence[Path]

    def __init__(self, files: Sequence[Path], fps: float | None = None) -> None:
        self.files = self.paths = files
        self.length = len(files)
        if fps:
            self.fps = fps

    def frames(self) -> Iterator[Frame]:
        broken: list[Path] = []
        for number, file in enumerate(self.files):
            image = read_upright(file)
            if image is None:
                broken.append(file)
            else:
                yield Frame(number, number / self.fps, image)
        if len(broken) == 1:
            raise InputError(f"Image {broken[0]} cannot be read: replace it.")
        if broken:
            raise InputError(
                f"{len(broken)} images cannot be read, the first is {broken[0]}: replace them."
            )

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        return list(map(functools.cache(self._nearest), indices))

    def _nearest(self, index: int) -> np.ndarray:
        for file in [*self.files[index::-1], *self.files[index + 1 :]]:
            image = read_upright(file)
            if image is not None:
                return image
        raise InputError(f"Image {self.files[index]} cannot be read: replace it.")


class AnimationSource(FrameSource):
    """All pictures of an animated image (GIF, APNG, WebP, AVIF), or all pages of a TIFF file."""

    is_constant = False

    def __init__(self, path: Path, pages: Sequence[int], fps: float | None = None) -> None:
        """Raises InputError if it cannot be read."""
        self._path, self._pages, self.paths = path, pages, [path]
        self.length = len(pages)
        try:
            with Image.open(path) as image:
                image.seek(pages[0])
                self.has_clock = image.format != "TIFF"
                self.is_constant = not self.has_clock
                if self.has_clock:
                    _as_bgr(image)  # some formats tell the duration then
                    self.fps = 1 / _duration(image)
                elif fps:
                    self.fps = fps
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise InputError(f"Image {path} cannot be read ({error}): replace it.") from error

    def frames(self) -> Iterator[Frame]:
        time = 0.0
        with Image.open(self._path) as image:
            for number, page in enumerate(self._pages):
                try:
                    image.seek(page)
                    picture = _as_bgr(ImageOps.exif_transpose(image))
                except (OSError, SyntaxError, ValueError, EOFError) as error:
                    raise InputError(
                        f"Picture {number} of {self._path} cannot be read ({error}): replace it."
                    ) from error
                yield Frame(number, time if self.has_clock else number / self.fps, picture)
                time += _duration(image)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        wanted = set(indices)
        images = {frame.number: frame.image for frame in self.frames() if frame.number in wanted}
        return [images[index] for index in indices]


def animated_pages(path: Path) -> list[int]:
    """Numbers of the pictures of an animated image or of a TIFF file; a single one otherwise.

    The default image of an APNG that is not part of its animation is left out, and so are reduced
    copies of the pages of a TIFF file.
    """
    try:
        with Image.open(path) as image:
            if image.format not in ANIMATED_FORMATS:
                return [0]
            pages = list(range(getattr(image, "n_frames", 1)))
            if image.format == "TIFF" and len(pages) > 1:
                return [page for page in pages if not _is_reduced(image, page)] or [0]
            return pages[bool(getattr(image, "default_image", False)) and len(pages) > 1 :]
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return [0]


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in the order of the numbers in their names; hidden files are left out.

    Raises InputError if there are none, or the order is ambiguous.
    """
    files, _ = list_pictures(folder)
    entries = [path for path in folder.iterdir() if not is_hidden(path.name)]
    known = (*IMAGE_SUFFIXES, *ANNOTATION_SUFFIXES)
    others = _names(p for p in entries if p.suffix.lower() not in known and not p.is_dir())
    if files:
        if others:
            logger.warning(f"{folder}: files that are no images are left out ({others}).")
        _refuse_animations(files)
        return files
    if videos := _names(filter(_is_video, entries)):
        raise InputError(f"The folder {folder} has no images but videos ({videos}): give these.")
    if folders := _names(path for path in entries if path.is_dir()):
        raise InputError(
            f"The folder {folder} has no images itself but folders ({folders}): give these."
        )
    instead = f" but {others}" * bool(others)
    raise InputError(
        f"The folder {folder} has no images ({', '.join(IMAGE_SUFFIXES)}){instead}: check the path."
    )


def globbed_files(pattern: str) -> list[Path]:
    """Images of a glob in the order of the numbers in their names.

    Raises:
        FileNotFoundError: if nothing matches.
        InputError: if no image matches, or the order is ambiguous.
    """
    found = sorted(map(Path, glob.glob(pattern)), key=natural_order)
    literal = pattern.replace("[", "[[]")
    if not found and literal != pattern and glob.glob(literal):
        raise InputError(
            f"Nothing matches {pattern}, where brackets stand for one of the characters in them: "
            f"write {literal}."
        )
    if not found:
        raise FileNotFoundError(f"Video file or image folder {pattern} not found: check the path.")
    files = list(filter(_is_image, found))
    others = _names(path for path in found if path not in set(files))
    if not files:
        kind = "videos" if any(map(_is_video, found)) else "files that are no images"
        raise InputError(
            f"{pattern} matches {kind} ({others}), and a glob stands for the images of one video: "
            "give videos and folders one by one, or the glob without quotation marks."
        )
    if others:
        logger.warning(f"{pattern}: files that are no images are left out ({others}).")
    check_doubles(map(str, files), pattern)
    _refuse_animations(files)
    return files


def _refuse_animations(files: Iterable[Path]) -> None:
    for file in files:
        if file.suffix.lower() in MOVING_SUFFIXES and len(pages := animated_pages(file)) > 1:
            raise InputError(
                f"{file} has {len(pages)} pictures, and images of a folder are one frame each: "
                "give it by itself, or take it out."
            )


def read_upright(file: Path) -> np.ndarray | None:
    """Picture of a file (H, W, 3) BGR, upright; None if it cannot be read."""
    if file.suffix.lower() in TURNED_SUFFIXES:
        try:
            with Image.open(file) as image:
                if image.getexif().get(EXIF_ORIENTATION, 1) > 1:
                    return _as_bgr(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
            pass  # OpenCV may read it
    try:  # not cv2.imread, which crashes where a name is not UTF-8
        return cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):  # also of an empty file
        return None


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _names(paths: Iterable[Path]) -> str:
    names = sorted((path.name for path in paths), key=natural_order)
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def _is_reduced(image: Image.Image, page: int) -> bool:
    image.seek(page)
    tags: Any = getattr(image, "tag_v2", {})
    return bool(tags.get(SUBFILE_TYPE, 0) & REDUCED_COPY)


def _as_bgr(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):
        return as_bgr(np.asarray(image).astype(np.uint16), 0)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def _duration(image: Image.Image) -> float:
    """Seconds for which the current picture is shown."""
    seconds = float(image.info.get("duration", 0)) / 1000
    return seconds if seconds >= SHORTEST_PICTURE else UNTIMED_PICTURE
