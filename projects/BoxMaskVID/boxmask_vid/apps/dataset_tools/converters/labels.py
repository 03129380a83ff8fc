"""Labels as read from annotation formats, before the frames are opened."""

from __future__ import annotations

import codecs
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ....errors import InputError

XML_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,80}encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# encodings that have all characters of those that files declare instead
LARGER = {"gb2312": "gb18030", "gbk": "gb18030"}
Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class LabelledBox:
    """A box on a frame."""

    frame: int | str  # number of the frame, or stem or number in the name of its image
    category: str | None  # name of its class; None if the annotations have no classes
    bbox: tuple[float, float, float, float]  # x, y, width, height
    where: str  # file and line, for error messages
    track: Hashable | None = None  # identifies the object in its video; None if not known
    ignored: bool = False  # left out in training and ignored in scoring
    occluded: bool | None = None  # None if the annotation does not say
    interpolated: bool = False  # between two frames that have boxes; its frame may be missing

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.bbox)) or min(self.bbox[2:]) < 0:
            raise InputError(
                f"{self.where}: the box x, y, width, height {', '.join(map(str, self.bbox))} is "
                "not a box: correct or remove it."
            )


@dataclass(frozen=True)
class OpenCount:
    """Numbers of frames in a list that does not tell how many frames there are."""

    by_place: bool  # whether the list has places in the sorted folder, as CVAT writes them


@dataclass(frozen=True)
class VideoLabels:
    """Annotations of a video."""

    name: str
    where: str  # file or folder that they come from
    boxes: list[LabelledBox]
    # where its images may be below the image root: the first folder that has some; none for name
    folders: tuple[str, ...] = ()
    # folders of several videos, in which its frame 0 has the number shared_number
    shared_folders: tuple[str, ...] = ()
    shared_number: int = 0
    shares_folders: bool = False  # folders may have other clips, which differ in the names
    images: Sequence[str] | None = None  # image files below the root, if the annotations list them
    # numbers of its frames, growing, if the annotations tell; positions of images otherwise
    frames: Sequence[int] | None = None
    counts_from: int = 0  # what its list calls frame 0
    open_count: OpenCount | None = None  # for numbers of frames whose last one is not known
    is_part: bool = False  # annotations of a part: the video may have more frames
    is_sorted_by_name: bool = False  # its frames were numbered in the order of their names
    size: tuple[int, int] | None = None  # width and height of its frames, if they are given
    # of single frames, as frames are called in boxes
    sizes: Mapping[int | str, tuple[int, int]] = field(default_factory=dict)
    drawn_on: tuple[float, float] | None = None  # size that boxes are relative to; None for pixels
    labelled_frames: frozenset[int | str] | None = None  # those with annotations; None for all
    lists_frames: bool = False  # labelled frames are all that the annotations know
    # images that label files state to be of, without suffixes, by the names of the files
    stated_names: Mapping[int | str, str] = field(default_factory=dict)
    # whether its folder may have several clips, which the names of the images tell apart
    may_have_clips: bool = False
    first_number: int = 0  # of the first frame of a video file in the names of frames
    rate: float | None = None  # frames a second at which images were numbered; None for all frames
    # number of its frames by the duration of a video file, where sound may go on
    rough_length: int | None = None


@dataclass(frozen=True)
class Labels:
    """Annotations of a data set; ``classes`` in their order, None for alphabetical order."""

    videos: list[VideoLabels]
    classes: list[str] | None = None
    left_out: dict[str, int] = field(default_factory=dict)  # what was not used: count
    notes: list[str] = field(default_factory=list)  # decisions about what numbers mean
    class_of_others: str | None = None  # the name for boxes without a class
    class_remedy: str = "add it to --classes, or correct the annotation"
    root: Path | None = None  # folder of the images, if it is known; None for the source


def read_text(path: Path) -> str:
    """Read a text file."""
    if not path.is_file():
        raise FileNotFoundError(f"File {path} not found: check the path.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text ({error}): write it again.") from error


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Read the lines of a text file that are not blank, each after its place for messages."""
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(f"{path}, line {index}", line) for index, line in lines if line.strip()]


def parse_xml(path: Path, remedy: str) -> ElementTree.Element:
    """Read the root of an XML file, in the encoding that it declares."""
    if not path.is_file():
        raise FileNotFoundError(f"File {path} not found: check the path.")
    content = path.read_bytes()
    declared = XML_ENCODING.match(content)
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif content.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        return ElementTree.fromstring(content.decode(LARGER.get(encoding, encoding)))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not in the encoding {encoding} that its first line declares or leaves out "
            f"({error.reason} at byte {error.start}): {remedy}, or correct the declaration."
        ) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not XML ({error}): {remedy}.") from error


def number(text: str | float | None, kind: type[Number], where: str, what: str) -> Number:
    """Convert ``text`` to a finite ``int`` or ``float``."""
    if text is not None:
        with suppress(TypeError, ValueError, OverflowError):
            value = kind(text)
            if math.isfinite(value):
                return value
    shown = "missing" if text is None else f"'{str(text)[:40]}'"
    raise InputError(f"{where}: {what} is {shown} and must be a number: correct it.")


def whole_number(text: str | float | None, where: str, what: str) -> int:
    """Convert ``text`` to an ``int``; ``1.0`` is one."""
    if isinstance(text, str):
        with suppress(ValueError):
            return int(text)  # exact, where a float would be rounded
    value = number(text, float, where, what)
    if value != int(value):
        raise InputError(f"{where}: {what} is {text} and must be a whole number: correct it.")
    return int(value)
