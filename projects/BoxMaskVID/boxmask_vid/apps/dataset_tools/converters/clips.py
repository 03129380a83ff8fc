"""Videos whose label files or images lie in one folder, told apart by their names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ....data.datasets.numbered_frames import Clip, one_clip, split_clips
from ....errors import InputError
from .frames import Frames, last_number
from .labels import VideoLabels
from .video_files import find_file


def split_images(video: VideoLabels, frames: Frames) -> list[tuple[VideoLabels, Frames]]:
    """Sort the images of a folder, and their labels, into videos.

    The labels of an image that is not there stay with the first of them.

    Raises:
        InputError: if label files have other names than the images, and count otherwise or could
            be of several clips.
    """
    if not video.may_have_clips or frames.files is None or frames.first_number is not None:
        return [(video, frames)]
    _check_names(video, frames)
    clips = split_clips(frames.files)
    if len(clips) == 1:
        return [(video, frames)]
    clip_of_file = {file: clip for clip in clips for file in clip.files}
    clip_of = {}
    known = {*(box.frame for box in video.boxes), *(video.labelled_frames or ())}
    for frame in sorted(known, key=str):
        place = frames.position(frame)
        if place is None and str(frame).isdecimal():
            called = [PurePosixPath(file) for file in frames.files]
            both = [path.name for path in called if last_number(path.stem) == int(frame)][:2]
            of = " and ".join(both) or ", ".join(clip.name for clip in clips[:2])
            raise InputError(
                f"{video.where} has a label file {frame}, and images of {len(clips)} clips ({of}): "
                "name each label file after its image."
            )
        clip_of[frame] = clips[0] if place is None else clip_of_file[frames.files[place]]
    names = {clip: f"{video.name}/{PurePosixPath(clip.name).name}" for clip in clips}
    sizes = dict(zip(frames.files, frames.sizes, strict=True))
    return [
        (
            of_clip,
            Frames(
                [sizes[file] for file in clip.files],
                clip.files,
                left_out=frames.left_out if clip is clips[0] else Counter(),
            ),
        )
        for clip, of_clip in zip(clips, _split(video, clips, clip_of, names), strict=True)
    ]


def split_label_files(root: Path, video: VideoLabels) -> list[VideoLabels]:
    """Sort label files of several video files into videos: clip_a_1.txt is of clip_a.mp4.

    Raises:
        InputError: if label files of several clips are in the folder of one video file.
    """
    if not video.may_have_clips or not video.labelled_frames:
        return [video]
    files = {f"{frame}.txt": frame for frame in video.labelled_frames}
    if find_file(root, video) is not None:
        one_clip(list(files), video.where)
        return [video]
    clips = split_clips(list(files))
    clip_of = {files[file]: clip for clip in clips for file in clip.files}
    names = {clip: clip.name for clip in clips}
    split = _split(video, clips, clip_of, names)
    return split if any(find_file(root, of_clip) for of_clip in split) else [video]


def first_number_of(videos: Sequence[VideoLabels], given: int | None) -> int:
    """Number of the first frame of video files in the names of their label files.

    Args:
        videos: labels of all video files.
        given: what the user says; None to find it.

    Raises:
        InputError: if it is not given and no label file has the number 0.
    """
    if given is not None:
        return given
    stems = [str(frame) for video in videos for frame in video.labelled_frames or ()]
    numbers = [number for stem in stems if (number := last_number(stem)) is not None]
    if not numbers or 0 in numbers:
        return 0
    raise InputError(
        f"{videos[0].where} has label files with numbers from {min(numbers)} on, and no number 0, "
        "so the first frame of a video can be number 0 or 1: say it with --first-frame 0 or "
        "--first-frame 1."
    )


def _check_names(video: VideoLabels, frames: Frames) -> None:
    """All label files are named after images, or all by numbers that count as those of images."""
    stems = {PurePosixPath(file).stem for file in frames.files or ()}
    labelled = sorted(map(str, video.labelled_frames or ()))
    others = [frame for frame in labelled if not frames.is_named(frame)]
    if len(others) < len(labelled):
        _check_bare(others, labelled, frames, video.where)
    numbers = [number for stem in others if (number := last_number(stem)) is not None]
    images = [number for stem in stems if (number := last_number(stem)) is not None]
    are_others = len(others) == len(labelled)
    if are_others and numbers and images and min(numbers) != min(images):
        raise InputError(
            f"{video.where} has label files with other names than the images, with numbers from "
            f"{min(numbers)} on, the images have numbers from {min(images)} on: name each label "
            "file after its image."
        )


def _check_bare(others: Sequence[str], labelled: Sequence[str], frames: Frames, where: str) -> None:
    """Raise ``InputError`` if a label file 3 would be of a_3.png, where another one is a_2."""
    for frame in others:
        place = frames.position(frame)
        if place is not None and not PurePosixPath((frames.files or ())[place]).stem.isdecimal():
            usual = next(name for name in labelled if name not in others)
            raise InputError(
                f"{where} has a label file {frame} among label files that are named after images, "
                f"such as {usual}: name it after its image, or take it out."
            )


def _split(
    video: VideoLabels,
    clips: Sequence[Clip],
    clip_of: Mapping[int | str, Clip],
    names: Mapping[Clip, str],
) -> list[VideoLabels]:
    boxes, labelled = defaultdict(list), defaultdict(set)
    sizes: dict[Clip, dict] = defaultdict(dict)
    for box in video.boxes:
        boxes[clip_of[box.frame]].append(box)
    for frame in video.labelled_frames or ():
        labelled[clip_of[frame]].add(frame)
    for frame, size in video.sizes.items():
        sizes[clip_of[frame]][frame] = size
    return [
        replace(
            video,
            name=names[clip],
            folders=(),
            boxes=boxes[clip],
            labelled_frames=frozenset(labelled[clip]),
            sizes=sizes[clip],
        )
        for clip in clips
    ]
