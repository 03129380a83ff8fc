"""Pictures of videos: the clips of a folder, and the frame of an annotation that each one shows.

A frame is found by the number in the name of its picture, never by its place in a sorted folder.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath, PurePosixPath

from ...errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
HIDDEN_FILES = "hidden files in folders of pictures"
SHOWN = 3  # names or numbers in a sentence
# what Roboflow appends to the name of a picture
EXPORT_SUFFIX = re.compile(r"(_(jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9A-Za-z]+$", re.IGNORECASE)
SEPARATORS = "_-. "


@dataclass(frozen=True)
class Clip:
    """Pictures of one video, in the order of their frames."""

    name: str  # folder, or folder and what the names of the pictures have in common
    files: tuple[str, ...]
    numbers: tuple[int, ...] | None  # in the names of the pictures; None without numbers


def natural_order(path: PurePath | str) -> list:
    """Sort key of names with which frame 10 comes after frame 9."""
    parts = re.split(r"([0-9]+)", str(path))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]


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
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    shown = sorted((p for p in paths if not is_hidden(p.name)), key=lambda p: natural_order(p.name))
    check_doubles([path.name for path in shown], str(folder))
    return shown, +Counter({HIDDEN_FILES: len(paths) - len(shown)})


def check_doubles(names: Iterable[str], where: str) -> None:
    """Raise ``InputError`` if two pictures are of one frame: 1.png and 1.jpg, or 1.png and 01.png.

    ``names`` are files with their folders; ``where`` is the place that the message names.
    """
    found: dict[tuple, str] = {}
    for name in names:
        key = PurePosixPath(name).parent, *natural_order(plain_stem(name))
        if key in found:
            raise InputError(
                f"{where} has two pictures of one frame, {found[key]} and {name}: keep one of them."
            )
        found[key] = name


def plain_stem(name: str) -> str:
    """Name of a picture without its folder, its suffix and what Roboflow appends."""
    return EXPORT_SUFFIX.sub("", PurePosixPath(name).stem)


def split_clips(files: Sequence[str]) -> list[Clip]:
    """Sort pictures into clips, which differ in their folder or in the name before the number.

    Args:
        files: names with their folders, ``/`` between them.

    Returns:
        clips in natural order. A clip that has a folder of its own is called after it.
    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    for file in sorted(files, key=natural_order):
        by_folder[PurePosixPath(file).parent.as_posix()].append(file)
    return [clip for folder, names in by_folder.items() for clip in _clips_of(folder, names)]


def clip_starts(names: Sequence[str]) -> list[int]:
    """Positions in a list of frames at which another clip starts, the first one (0) left out.

    There the folder or the name before the number changes, or the numbers start again.
    """
    places = {
        file: (clip.name, 0 if clip.numbers is None else index + 1)
        for clip in split_clips(names)
        for index, file in enumerate(clip.files)
    }
    found = [places[name] for name in names]
    return [
        index
        for index, (before, after) in enumerate(pairwise(found), start=1)
        if before[0] != after[0] or 0 < after[1] <= before[1]
    ]


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
        numbers = [re.findall(r"[0-9]+", plain_stem(file)) for file in clip.files]
        widths = [min(map(len, column)) for column in zip(*numbers, strict=True)]
        odd = [
            file
            for file, texts in zip(clip.files, numbers, strict=True)
            if any(f"{int(t):0{width}d}" != t for t, width in zip(texts, widths, strict=True))
        ]
    if odd:
        name = PurePosixPath(next(file for file in clip.files if file not in odd)).name
        raise InputError(
            f"{where} has {PurePosixPath(odd[0]).name} among pictures that are called like {name}: "
            "take it out if it is not a frame, or call all of them alike."
        )


def match_frames(
    clip: Clip,
    frames: Sequence[int],
    boxes_on: Collection[int],
    *,
    where: str,
    more_pictures: bool = False,
) -> dict[int, int]:
    """Find the picture of each frame of an annotation.

    A picture's number is that of its frame. A complete set of pictures may count from 1 instead of
    0 or the reverse, and from any number where the frames count from 0 or 1. Frames without boxes
    may lack their picture where all others can be told apart.

    Args:
        clip: pictures.
        frames: numbers of the annotated frames, growing.
        boxes_on: numbers of those that have boxes.
        where: annotation, for messages.
        more_pictures: the annotation may be of a part of the video: all its pictures, numbered
            from 0, are there.

    Returns:
        position in ``clip.files`` for each number of a frame that has a picture.

    Raises:
        InputError: if they cannot be matched one to one.
    """
    files, folder = clip.files, PurePosixPath(clip.files[0]).parent
    if clip.numbers is None:
        if len(files) == len(frames):
            return {frame: index for index, frame in enumerate(frames)}
        raise InputError(
            f"{where} has {len(frames)} frames, {folder} has {len(files)} pictures without numbers "
            "in their names: give all of them, named by the numbers of their frames."
        )
    if more_pictures and len(files) > len(frames):
        offsets = _offsets_of_part(clip.numbers, frames)
    else:
        offsets = _offsets(clip.numbers, frames, boxes_on)
    if len(offsets) == 1:
        places = {number - offsets[0]: index for index, number in enumerate(clip.numbers)}
        return {frame: places[frame] for frame in frames if frame in places}
    if offsets:
        raise InputError(
            f"{where} has {len(frames)} frames ({_some(frames)}), {folder} has {len(files)} "
            f"pictures ({_some(clip.numbers)}), and their numbers do not tell which picture is "
            "which frame: give all of them, named by the numbers of their frames."
        )
    raise InputError(_mismatch(clip, frames, boxes_on, where, folder))


def match_open_count(
    clip: Clip, boxes_on: Collection[int], *, where: str, may_be_places: bool = False
) -> dict[int, int]:
    """Find the picture of each frame of an annotation that does not tell how many frames there are.

    Its frames count from 0, as in lists that call the first one 1 and the picture's number that of
    the frame. Pictures that count from 0 or 1 without gaps are all frames. Numbers of others are
    those of the list, or places if only that fits all pictures.

    Args:
        clip: pictures.
        boxes_on: numbers of frames with boxes, the first frame is 0.
        where: annotation, for messages.
        may_be_places: whether numbers may be places where the numbers of pictures fit as well.

    Returns:
        position in ``clip.files`` for each number of a frame that has a picture.

    Raises:
        InputError: if they cannot be matched one to one.
    """
    numbers, folder = clip.numbers, PurePosixPath(clip.files[0]).parent
    length, last = len(clip.files), max(boxes_on, default=0)
    places = {place: place for place in range(length)}
    if numbers is None:
        problem = "no numbers in their names"
    else:
        has_gaps = numbers[-1] - numbers[0] + 1 != length
        if not has_gaps and numbers[0] in (0, 1) and last < length:
            return places
        by_number = {number - 1: place for place, number in enumerate(numbers)}
        number_fits = numbers[0] > 0 and by_number.keys() >= set(boxes_on)
        place_fits = not has_gaps and last + 1 == length
        if number_fits and not (may_be_places and (has_gaps or last < length)):
            return by_number
        if place_fits and not number_fits:
            return places
        problem = f"the numbers {_some(numbers)}"
    frames = _some(sorted(frame + 1 for frame in boxes_on))
    raise InputError(
        f"{where} has boxes on frames {frames}, and the {length} pictures in {folder} have "
        f"{problem}, which does not tell which picture is which frame: give all pictures, numbered "
        "as the frames, or the number of frames (seqLength in seqinfo.ini)."
    )


def _offsets_of_part(numbers: Sequence[int], frames: Sequence[int]) -> list[int]:
    """As ``_offsets``, for frames of a part and the pictures of the whole video, from 0 or 1.

    Pictures from 1 are those of a video that counts from 1, or the first one is missing.
    """
    first, last = numbers[0], numbers[-1]
    if first not in (0, 1) or last - first + 1 != len(numbers):
        return []
    return [o for o in range(first + 1) if first <= frames[0] + o and frames[-1] + o <= last]


def _offsets(numbers: Sequence[int], frames: Sequence[int], boxes_on: Collection[int]) -> list[int]:
    """Differences between a picture's number and its frame's with which all of them fit."""
    wanted = set(frames)
    if len(numbers) == len(frames):
        offset = numbers[0] - frames[0]
        is_known = offset in (-1, 0, 1) or frames[0] in (0, 1)
        fits = all(n - offset == f for n, f in zip(numbers, frames, strict=True))
        return [offset] if is_known and fits else []
    found = []
    for offset in (-1, 0, 1):
        present = {number - offset for number in numbers}
        if present <= wanted and present.issuperset(boxes_on):
            found.append(offset)
    return found


def _mismatch(
    clip: Clip, frames: Sequence[int], boxes_on: Collection[int], where: str, folder: PurePosixPath
) -> str:
    assert clip.numbers is not None
    have, wanted = set(clip.numbers), set(frames)
    counts = (
        f"{where} has {len(frames)} frames ({_some(frames)}), {folder} has {len(clip.files)} "
        f"pictures ({_some(clip.numbers)})"
    )
    if missing := sorted(set(boxes_on) - have):
        problem = f"without a picture of frame {_some(missing)}, which has boxes"
    elif have > wanted:
        extra = [clip.files[clip.numbers.index(number)] for number in sorted(have - wanted)]
        names = [PurePosixPath(file).name for file in extra]
        problem = f"with {_some(names)} too many"
    else:
        problem = "whose numbers are not those of the frames"
    return f"{counts} {problem}: give the pictures that were annotated, named by their frames."


def _some(values: Sequence[object]) -> str:
    """The first and the last of a list."""
    if len(values) <= SHOWN:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[: SHOWN - 1]))}, ..., {values[-1]}"


def _clips_of(folder: str, files: Sequence[str]) -> Iterator[Clip]:
    """Clips of one folder; its pictures without numbers are one clip."""
    shapes: dict[tuple, list[tuple[str, list]]] = defaultdict(list)
    for file in files:
        parts = natural_order(plain_stem(file))
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
            name = plain_stem(pictures[0][1])
        if folder != ".":
            name = folder if len(groups) == 1 else f"{folder}/{name}"
        numbers = tuple(number for number, _ in pictures) if key else None
        yield Clip(name, tuple(file for _, file in pictures), numbers)


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
