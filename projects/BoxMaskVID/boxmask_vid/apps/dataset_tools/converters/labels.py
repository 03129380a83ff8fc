"""What readers make of annotation formats: boxes of videos whose frames were not looked at yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import InputError


@dataclass(frozen=True)
class LabelledBox:
    """A box on a frame.

    Attributes:
        frame: position in the video, from 0; or the stem or the number in the name of its image.
        category: name of its class.
        bbox: x, y, width, height.
        where: file and line, for errors.
        track: what tells the object in its video; None if that is not known.
        ignored: left out in training and ignored in scoring.
        occluded: whether the annotation says so; None if it says nothing.
    """

    frame: int | str
    category: str
    bbox: tuple[float, float, float, float]
    where: str
    track: Hashable | None = None
    ignored: bool = False
    occluded: bool | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            InputError: if it is no box.
        """
        if not all(map(math.isfinite, self.bbox)) or min(self.bbox[2:]) < 0:
            raise InputError(
                f"{self.where}: the box x, y, width, height {', '.join(map(str, self.bbox))} is no "
                "box: correct or remove it."
            )


@dataclass(frozen=True)
class VideoLabels:
    """The annotations of a video.

    Attributes:
        name: of the video.
        where: file or folder they come from.
        boxes: all boxes.
        folder: of its images below the image root, or None for ``name``.
        images: its image files below the image root, if the annotations list them.
        size: width and height of its frames, if the annotations tell them.
        drawn_on: width and height of the pictures that the boxes are relative to; None for pixels.
        labelled_frames: those that have annotations, empty ones too; None for all.
    """

    name: str
    where: str
    boxes: list[LabelledBox]
    folder: str | None = None
    images: Sequence[str] | None = None
    size: tuple[int, int] | None = None
    drawn_on: tuple[float, float] | None = None
    labelled_frames: frozenset[int | str] | None = None


@dataclass(frozen=True)
class Labels:
    """The annotations of a data set; ``classes`` in their order, None for the alphabetical one."""

    videos: list[VideoLabels]
    classes: list[str] | None = None
    left_out: dict[str, int] = field(default_factory=dict)  # what was not taken, and how often


def read_text(path: Path) -> str:
    """
    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}: bring it.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text ({error}): write it again.") from error


def number(text: object, kind: Callable[[object], float], where: str, what: str) -> float:
    """``text`` as an ``int`` or ``float``.

    Raises:
        InputError: if it is none.
    """
    try:
        value = kind(text)
        finite = math.isfinite(value)
    except (TypeError, ValueError, OverflowError):
        finite = False
    if not finite:
        shown = "missing" if text is None else f"'{str(text)[:40]}'"
        raise InputError(f"{where}: {what} is {shown} and must be a number: correct it.")
    return value


def subfolders(source: Path, pattern: str) -> list[Path]:
    """Folders directly below ``source`` that have files of a pattern, sorted.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if there are none.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"There is no folder {source}: give the one with the videos.")
    found = sorted(each for each in source.iterdir() if each.is_dir() and any(each.glob(pattern)))
    if not found:
        raise InputError(
            f"{source} has no folder with {pattern}: there must be one for each video, named after "
            "it."
        )
    return found
