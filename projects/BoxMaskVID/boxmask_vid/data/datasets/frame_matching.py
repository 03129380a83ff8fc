"""The picture that shows each frame of an annotation.

A frame is found by the number in the name of its picture, never by its place in a sorted folder.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from ...errors import InputError
from .numbered_frames import Clip

SHOWN = 3  # names or numbers in a sentence


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
