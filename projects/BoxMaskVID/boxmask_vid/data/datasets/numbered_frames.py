"""Pictures of videos: those of a folder, in the order of the numbers in their names, by clip."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath

from ...errors import InputError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
)
# files that may lie among pictures
ANNOTATION_SUFFIXES = (".txt", ".xml", ".json", ".csv", ".ini", ".yaml", ".names", ".data", ".zip")
OTHER_FILES = "files that are no pictures in folders of pictures"
HIDDEN_FILES = "hidden files in folders of pictures"
SWAPPED_SIDES = (
    "the sides are swapped, so the boxes are on pixels as stored, before the rotation that the "
    "camera recorded (EXIF): rotate the pixels and remove the EXIF orientation, or draw the boxes "
    "on the upright image"
)
# what Roboflow appends to the name of a picture
EXPORT_SUFFIX = re.compile(r"(_(jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)
# what Label Studio puts before the name of a picture
UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
# what Finder, Explorer and browsers append to the name of a copy, behind the number of a frame
COPY_SUFFIX = re.compile(
    r"(?<=[0-9])( ?\([0-9]+\)|( - |[ _-])copy( [0-9]+| \([0-9]+\))?| [2-9])$", re.IGNORECASE
)
SEPARATORS = "_-. "
# date and time of day, as recorders and cameras call pictures; seconds since 1970 with decimals
CLOCK = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])[-_T .]{1,2}"
    r"([01][0-9]|2[0-3])([-_.:h]?)([0-5][0-9])[-_.:m]?([0-5][0-9])(?![0-9])"
)
EPOCH = re.compile(r"(?<![0-9])(1[0-9]{9})\.([0-9]{1,9})(?![0-9])")
FRACTION = re.compile(r"(?<![0-9])(1[0-9]{9}|[0-9]{14})[-_.]([0-9]{9}|[0-9]{6}|[0-9]{3})(?![0-9])")
LARGEST_FRAME = 10**9  # a larger number is a time
LARGEST_RATE = 60  # pictures a second of names that have milliseconds


@dataclass(frozen=True)
class Clip:
    """Pictures of one video, in the order of their frames."""

    name: str  # folder, or folder and what the names of the pictures have in common
    files: tuple[str, ...]
    numbers: tuple[int, ...] | None  # in the names of the pictures; None without numbers, or times
    is_timed: bool = False  # pictures are called by the times at which they were taken


def natural_order(path: PurePath | str) -> list:
    """Sort key of names with which frame 10 comes after frame 9, and 1700000000.9 after .87."""
    parts = re.split(r"([0-9]+)", _with_joined_times(str(path)))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


def _with_joined_times(name: str) -> str:
    """A name in which a date and a time of day, or seconds with decimals, are one number."""
    name = EPOCH.sub(lambda found: f"{found[1]}{found[2]:0<9}", name)
    return CLOCK.sub(lambda found: "".join(found.group(1, 3, 4, 5, 7, 8)), name)


def is_hidden(name: PurePath | str) -> bool:
    """Whether a file or a folder above it is hidden, or of the kind that archives of a Mac have."""
    return any(part[:1] == "." or part == "__MACOSX" for part in PurePath(name).parts)


def list_pictures(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Find the pictures of a folder.

    Returns:
        files in natural order, and the number of those left out by reason.

    Raises:
        InputError: if two files are pictures of one frame.
    """
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if not e.is_dir()]
    images = [name for name in names if PurePath(name).suffix.lower() in IMAGE_SUFFIXES]
    called = without_uploads(images)
    images.sort(key=lambda name: natural_order(called[name]))
    shown = [name for name in images if not is_hidden(name)]
    known = (*IMAGE_SUFFIXES, *ANNOTATION_SUFFIXES)
    others = [n for n in names if not is_hidden(n) and PurePath(n).suffix.lower() not in known]
    check_doubles(shown, str(folder))
    counts = {HIDDEN_FILES: len(images) - len(shown), OTHER_FILES: len(others)}
    return [folder / name for name in shown], +Counter(counts)


def check_doubles(names: Iterable[str], where: str) -> None:
    """Raise ``InputError`` if two pictures are of one frame: 1.png and 1.jpg, 01.png or 1 copy.png.

    ``names`` are files with their folders; ``where`` is the place that the message names.
    """
    found: dict[tuple, str] = {}
    for name, called in without_uploads(list(names)).items():
        key = PurePosixPath(name).parent, *natural_order(plain_stem(called))
        if key in found:
            raise InputError(
                f"{where} has two pictures of one frame, {found[key]} and {name}: keep one of them."
            )
        found[key] = name
    copies = []
    for key, name in found.items():
        stem = "".join(map(str, key[1:]))
        original = found.get((key[0], *natural_order(COPY_SUFFIX.sub("", stem))))
        if COPY_SUFFIX.search(stem) and original is not None:
            copies.append((original, name))
    if copies and 2 * len(copies) <= len(found):  # otherwise names simply are so
        raise InputError(
            f"{where} has two pictures of one frame, {copies[0][0]} and {copies[0][1]}, which is "
            "called like a copy: keep one of them."
        )


def plain_stem(name: str) -> str:
    """Name of a picture without its folder, its suffix and what Roboflow appends."""
    return EXPORT_SUFFIX.sub("", PurePosixPath(name).stem)


def without_uploads(names: Sequence[str]) -> dict[str, str]:
    """Names of pictures without what Label Studio puts before each of them.

    These are eight digits, hexadecimal and different ones for each picture; 20240131- is a date.
    """
    found = [UPLOAD_PREFIX.match(PurePosixPath(name).name) for name in names]
    prefixes = {match[0] for match in found if match}
    if len(prefixes) < max(len(names), 2) or all(prefix[:8].isdigit() for prefix in prefixes):
        return {name: name for name in names}
    paths = {name: PurePosixPath(name) for name in names}
    return {
        name: str(path.with_name(UPLOAD_PREFIX.sub("", path.name, 1)))
        for name, path in paths.items()
    }


def split_clips(files: Sequence[str]) -> list[Clip]:
    """Sort pictures into clips, which differ in their folder or in the name before the number.

    Args:
        files: names with their folders, ``/`` between them.

    Returns:
        clips in natural order. A clip that has a folder of its own is called after it.
    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    called = without_uploads(files)
    for file in sorted(files, key=lambda file: natural_order(called[file])):
        by_folder[PurePosixPath(file).parent.as_posix()].append(file)
    return [clip for place, names in by_folder.items() for clip in _clips_of(place, names)]


def one_clip(files: Sequence[str], where: str) -> Clip:
    """Pictures of a folder that has one video.

    Raises:
        InputError: if there are several clips in it; ``where`` is the name of the folder.
    """
    clips = split_clips(files)
    if len(clips) > 1:
        clips.sort(key=lambda clip: -len(clip.files))
        first, other = (PurePosixPath(clip.files[0]).name for clip in clips[:2])
        raise InputError(
            f"{where} has pictures of {len(clips)} clips, such as {first} and {other}: give each "
            "clip a folder of its own, and take out what is not a frame."
        )
    _check_alike(clips[0], where)
    return clips[0]


def _check_alike(clip: Clip, where: str) -> None:
    """Raise ``InputError`` if one picture is called otherwise than the rest: 1, 2 and 003."""
    suffixes = Counter(PurePosixPath(file).suffix.lower() for file in clip.files)
    usual = suffixes.most_common(1)[0][0]
    odd = [file for file in clip.files if PurePosixPath(file).suffix.lower() != usual]
    if clip.numbers is not None and not odd:
        called = without_uploads(clip.files)
        rows = [re.findall(r"[0-9]+", plain_stem(called[file])) for file in clip.files]
        for texts in zip(*rows, strict=True):
            if tuple(map(int, texts)) == clip.numbers:
                width = min(map(len, texts))
                pairs = zip(clip.files, texts, strict=True)
                odd = [file for file, text in pairs if f"{int(text):0{width}d}" != text]
    if odd:
        name = PurePosixPath(next(file for file in clip.files if file not in odd)).name
        raise InputError(
            f"{where} has {PurePosixPath(odd[0]).name} among pictures that are called like {name}: "
            "take it out if it is not a frame, or call all of them alike."
        )


def _clips_of(folder: str, files: Sequence[str]) -> Iterator[Clip]:
    """Clips of one folder; its pictures without numbers are one clip."""
    shapes: dict[tuple, list[tuple[str, list]]] = defaultdict(list)
    stems = {file: plain_stem(called) for file, called in without_uploads(files).items()}
    for file, stem in _with_fractions(stems).items():
        parts = natural_order(stem)
        shapes[tuple(parts[::2]) if len(parts) > 1 else ()].append((file, parts))
    groups: dict[tuple, list[tuple[int, str]]] = defaultdict(list)
    for shape, named in shapes.items():
        column = _number_column([parts[1::2] for _, parts in named])
        for file, parts in named:
            if column is None:
                groups[()].append((0, file))
                continue
            place = 2 * column + 1
            groups[shape, tuple(parts[:place])].append((parts[place], file))
    names = Counter(_common(key) for key in groups)
    for key, pictures in groups.items():
        pictures.sort(key=lambda picture: picture[0])
        name = _common(key)
        if names[name] > 1 or not name:
            name = stems[pictures[0][1]]
        if folder != ".":
            name = folder if len(groups) == 1 else f"{folder}/{name}"
        numbers = tuple(number for number, _ in pictures)
        is_timed = numbers[-1] >= LARGEST_FRAME
        is_numbered = bool(key) and not is_timed
        ordered = tuple(file for _, file in pictures)
        yield Clip(name, ordered, numbers if is_numbered else None, is_timed)


def _with_fractions(stems: dict[str, str]) -> dict[str, str]:
    """Stems in which a time and the fraction of a second behind it are one number.

    What counts on by one, or from the same number in small steps, is no fraction, but the number
    of a frame in a recording of that time.
    """
    called = {file: _with_joined_times(stem) for file, stem in stems.items()}
    found = {file: FRACTION.search(name) for file, name in called.items()}
    behind: dict[str, list[int]] = defaultdict(list)
    widths = set()
    for match in found.values():
        if match is None:
            return called
        widths.add(len(match[2]))
        behind[match.string[: match.end(1)]].append(int(match[2]))
    steps = [b - a for values in behind.values() for a, b in pairwise(sorted(values))]
    count_anew = len({min(values) for values in behind.values()}) == 1
    is_counter = 1 in steps or (
        count_anew and max(steps, default=0) < 10 ** min(widths) / LARGEST_RATE
    )
    if len(behind) < 2 or len(widths) > 1 or is_counter:
        return called
    return {file: FRACTION.sub(r"\1\2", name) for file, name in called.items()}


def _common(key: tuple) -> str:
    """What the names of a group have before their number."""
    return "".join(map(str, key[1])).rstrip(SEPARATORS) if key else ""


def _number_column(rows: Sequence[Sequence[int]]) -> int | None:
    """Find the number that counts frames, among the numbers of names of one shape.

    It is the last one that varies; or the first one with which all differ, where the last one
    would make a clip of every picture (frame_0001_12.345s).
    """
    columns = list(zip(*rows, strict=True))
    varying = [index for index, column in enumerate(columns) if len(set(column)) > 1]
    if not varying:
        return len(columns) - 1 if columns else None
    last = varying[-1]
    if len({tuple(row[:last]) for row in rows}) == len(rows):
        return next((index for index in varying if len(set(columns[index])) == len(rows)), last)
    return last
