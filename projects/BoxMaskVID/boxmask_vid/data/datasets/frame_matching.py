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
    are_listed: bool = False,
    counts_from: int = 0,
) -> dict[int, int]:
    """Find the picture of each frame of an annotation.

    A picture's number is that of its frame. A complete set of pictures may count from any number
    where the frames begin with the video, at 0 or 1. Frames without boxes may lack their picture
    between the first and the last frame; at an end the pictures could as well count from another
    number.

    Args:
        clip: pictures.
        frames: numbers of the annotated frames, growing.
        boxes_on: numbers of those that have boxes.
        where: annotation, for messages.
        more_pictures: the annotation may be of a part of the video: all its pictures, numbered
            from 0, are there.
        are_listed: ``boxes_on`` are all frames that the annotation knows, with boxes or without.
        counts_from: what the annotation calls frame 0.

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
        offsets = _offsets(clip.numbers, frames, boxes_on, are_listed, counts_from)
    if len(offsets) == 1:
        places = {number - offsets[0]: index for index, number in enumerate(clip.numbers)}
        return {frame: places[frame] for frame in frames if frame in places}
    called = [frame + counts_from for frame in frames]
    if offsets:
        raise InputError(
            f"{where} has {len(frames)} frames ({_some(called)}), {folder} has {len(files)} "
            f"pictures ({_some(clip.numbers)}), and their numbers do not tell which picture is "
            "which frame: give all of them, named by the numbers of their frames."
        )
    raise InputError(_mismatch(clip, called, {n + counts_from for n in boxes_on}, where, folder))


def match_open_count(
    clip: Clip, boxes_on: Collection[int], *, counts_from: int, by_place: bool, where: str
) -> dict[int, int]:
    """Find the picture of each frame of an annotation that does not tell how many frames there are.

    A list has the numbers of pictures, or the places of pictures without gaps: which one is taken
    only if the other does not fit, or if the kind of the list decides.

    Args:
        clip: pictures.
        boxes_on: frames with boxes, the first frame is 0.
        counts_from: what the list calls frame 0.
        by_place: whether the list has places, as CVAT writes them.
        where: annotation, for messages.

    Returns:
        position in ``clip.files`` for each frame that has a picture.

    Raises:
        InputError: if they cannot be matched one to one.
    """
    length, wanted = len(clip.files), set(boxes_on)
    numbers = clip.numbers or ()
    has_gaps = not numbers or numbers[-1] - numbers[0] + 1 != length
    places = {place: place for place in range(length)}
    by_number = {number - counts_from: place for place, number in enumerate(numbers)}
    from_zero = {number: place for place, number in enumerate(numbers)}
    is_complete = not has_gaps and (numbers[0] in (0, 1) or max(wanted, default=0) + 1 == length)
    place_fits = is_complete and places.keys() >= wanted
    number_fits = bool(numbers) and by_number.keys() >= wanted
    if by_place:
        if place_fits and (numbers[0] in (0, 1) or not number_fits):
            return places
        if number_fits and not has_gaps and not place_fits:
            return by_number
    elif number_fits and (numbers[0] > 0 or from_zero == by_number or wanted - from_zero.keys()):
        return by_number
    elif not number_fits and place_fits:
        return places
    frames = _some(sorted(frame + counts_from for frame in boxes_on))
    shown = f"the numbers {_some(numbers)}" if numbers else "no numbers"
    raise InputError(
        f"{where} has boxes on frames {frames}, the {length} pictures in "
        f"{PurePosixPath(clip.files[0]).parent} have {shown} in their names, which does not tell "
        "which picture is which frame: give all pictures, numbered as the frames, or the number "
        "of frames (seqLength in seqinfo.ini)."
    )


def _offsets_of_part(numbers: Sequence[int], frames: Sequence[int]) -> list[int]:
    """As ``_offsets``, for frames of a part and the pictures of the whole video, from 0.

    Pictures from 1 could be those of a video that counts from 1, or the first one is missing: both
    are given if the frames fit.
    """
    first, last = numbers[0], numbers[-1]
    if first not in (0, 1) or last - first + 1 != len(numbers):
        return []
    fits = frames[-1] + first <= last
    return list(range(first + 1)) if fits else []


def _offsets(
    numbers: Sequence[int],
    frames: Sequence[int],
    boxes_on: Collection[int],
    are_listed: bool,
    counts_from: int,
) -> list[int]:
    """Differences between a picture's number and its frame with which all of them fit."""
    offset = numbers[0] - frames[0]
    is_same = offset == counts_from  # pictures have the numbers that the annotation has
    begins = frames[0] in (0, 1)  # with the video
    if len(numbers) == len(frames):
        fits = all(n - offset == f for n, f in zip(numbers, frames, strict=True))
        return [offset] if fits and (begins or is_same) else []
    has_ends = offset == numbers[-1] - frames[-1]
    has_ends = has_ends and (is_same or (begins and offset in (-1, 0, 1)))
    offset = offset if has_ends else counts_from
    present = {number - offset for number in numbers}
    if not set(boxes_on) <= present <= set(frames):
        return []
    return [offset] if has_ends or (are_listed and present == set(boxes_on)) else []


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
    elif have < wanted:
        problem = f"without pictures of frames {_some(sorted(wanted - have))} at an end"
    else:
        problem = "whose numbers are not those of the frames"
    return f"{counts} {problem}: give the pictures that were annotated, named by their frames."


def _some(values: Sequence[object]) -> str:
    """The first and the last of a list."""
    if len(values) <= SHOWN:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[: SHOWN - 1]))}, ..., {values[-1]}"
