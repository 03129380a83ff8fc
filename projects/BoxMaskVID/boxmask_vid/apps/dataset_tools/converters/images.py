"""Folders of images that annotations belong to."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ....data.datasets.folders import walk_files
from ....data.datasets.frame_matching import match_frames, match_open_count
from ....data.datasets.numbered_frames import (
    IMAGE_SUFFIXES,
    Clip,
    is_hidden,
    list_pictures,
    one_clip,
    split_clips,
)
from ....data.datasets.spellings import same_spelling, spelled_as_there
from ....errors import InputError
from ....video.image_files import animated_pages
from .frames import Frames
from .labels import VideoLabels

OTHER_NUMBERS = "videos whose complete images do not count from the number of the first frame"
WITHOUT_PICTURE = "frames without a picture"
EXIF_ORIENTATION = 0x0112


def find_images(root: Path, video: VideoLabels) -> Frames:
    """Find the images of a video below a folder."""
    if video.images is not None:
        return _frames(root, [spelled_as_there(root, image) for image in video.images])
    folder, files, left_out = _find_pictures(root, video)
    places = None
    if video.frames is not None:
        clip, places = _match(files, folder, root, video)
        files = list(clip.files)
        frame, place = next(iter(places.items()))
        if clip.numbers is not None and clip.numbers[place] != frame + video.counts_from:
            picture = PurePosixPath(files[place]).name
            left_out[f"{OTHER_NUMBERS} (frame {frame + video.counts_from} is {picture})"] += 1
        left_out[WITHOUT_PICTURE] += len(video.frames) - len(places)
    elif video.open_count is not None:
        clip = one_clip(files, str(folder))
        files = list(clip.files)
        places = match_open_count(
            clip,
            {box.frame for box in video.boxes if isinstance(box.frame, int)},
            counts_from=video.counts_from,
            by_place=video.open_count.by_place,
            where=video.where,
        )
    elif video.rough_length is not None or video.rate is not None:
        clip = one_clip(files, str(folder))  # numbers of images that are found one by one
        _check_complete(clip, video, folder)
        files = list(clip.files)
    return _frames(root, files, places=places, left_out=left_out)


def _check_complete(clip: Clip, video: VideoLabels, folder: Path) -> None:
    """Images of a video whose frames are counted from its start lack none there or in between."""
    if video.rough_length is None:
        return
    length, numbers = len(clip.files), clip.numbers
    if numbers is None or numbers[-1] - numbers[0] + 1 != length:
        is_complete = numbers is None and length == video.rough_length
    else:
        is_complete = numbers[0] == 0 or length >= video.rough_length
    if not is_complete:
        raise InputError(
            f"{video.where} has {video.rough_length} frames, {folder} has {length} images, from "
            f"{PurePosixPath(clip.files[0]).name} to {PurePosixPath(clip.files[-1]).name}: give "
            "all of them, numbered without gaps, or the video file with --videos."
        )


def _match(
    files: list[str], folder: Path, root: Path, video: VideoLabels
) -> tuple[Clip, dict[int, int]]:
    """Pictures of a video whose frames have numbers, and the position of each frame in them."""
    assert video.frames is not None
    if video.is_sorted_by_name and files != sorted(files):
        raise InputError(
            f"{video.where} has numbers, not names of images, and the order of those in {folder} "
            f"is not certain ({PurePosixPath(sorted(files)[1]).name} may be frame 1): export it "
            "with names ('CVAT for images 1.1'), or fill the numbers with zeros."
        )
    clip = one_clip(files, str(folder))
    if folder in (root / shared for shared in video.shared_folders):
        clip = _part_of_shared(clip, video, folder)
    called = {box.frame for box in video.boxes if not box.interpolated}
    if video.lists_frames and video.labelled_frames is not None:
        called = set(video.labelled_frames)
    places = match_frames(
        clip,
        video.frames,
        {frame for frame in called if isinstance(frame, int)},
        where=video.where,
        more_pictures=video.is_part,
        are_listed=video.lists_frames,
        counts_from=video.counts_from,
    )
    return clip, places


def _find_pictures(root: Path, video: VideoLabels) -> tuple[Path, list[str], Counter[str]]:
    """Find the folder, the images below the root in natural order, and how many are left out."""
    names = video.folders or (video.name,)
    there = (spelled_as_there(root, name) for name in (*names, *video.shared_folders))
    inside = list(map(PurePosixPath, there))
    folders = [root / p for p in inside if not p.is_absolute() and ".." not in p.parts]
    # os.path.isdir is also False for names that are not valid
    existing = [folder for folder in folders if os.path.isdir(folder)]
    for folder in chain(existing, _only_folder(root, existing, video)):
        found, left_out = list_pictures(folder)
        files = [path.relative_to(root).as_posix() for path in found]
        if files and video.shares_folders:
            files = _clip_of(files, video, folder)
        if files:
            return folder, files, left_out
    if existing and existing[0] != root:
        suffixes = ", ".join(IMAGE_SUFFIXES)
        what = "of those that it names" if video.shares_folders else f"({suffixes})"
        raise InputError(
            f"Folder {existing[0]} has no images {what}: check --images, or "
            "give --videos for video files."
        )
    raise InputError(
        f"Folder {root / names[0]} with the images of the video of {video.where} not found: check "
        "--images."
    )


def _only_folder(root: Path, existing: Sequence[Path], video: VideoLabels) -> Iterator[Path]:
    """Yield the one folder with pictures below those of a video, which have none themselves.

    Raises:
        InputError: if there are several.
    """
    if video.shares_folders or video.shared_folders:
        return
    for folder in existing:
        if os.path.samefile(folder, root):
            continue
        found = {
            path.parent
            for path in walk_files(folder)
            if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path.relative_to(folder))
        }
        if len(found) > 1:
            first, other = sorted(found)[:2]
            raise InputError(
                f"{folder} has pictures in {len(found)} folders, {first.relative_to(folder)} and "
                f"{other.relative_to(folder)} among them, and {video.where} is one video: keep the "
                "pictures that were annotated in one folder."
            )
        yield from found


def _clip_of(files: list[str], video: VideoLabels, folder: Path) -> list[str]:
    """Files of the clip that a video labels; none if it is not there."""
    wanted = {same_spelling(str(frame)) for frame in video.labelled_frames or ()}
    clips = [
        clip
        for clip in split_clips(files)
        if any(PurePosixPath(same_spelling(file)).stem in wanted for file in clip.files)
    ]
    return list(
        one_clip([f for clip in clips for f in clip.files], str(folder)).files if clips else ()
    )


def _part_of_shared(clip: Clip, video: VideoLabels, folder: Path) -> Clip:
    """Pictures of a video among those of several, numbered by its own frames."""
    numbers = [number - video.shared_number for number in clip.numbers or ()]
    chosen = [index for index, number in enumerate(numbers) if number in (video.frames or ())]
    if not chosen:
        first = video.shared_number
        raise InputError(
            f"Folder {folder} has no images of {video.where}, video {video.name}, whose frames "
            f"have numbers from {first}: give it a folder {video.name} of its own."
        )
    files = tuple(clip.files[index] for index in chosen)
    return Clip(video.name, files, tuple(numbers[index] for index in chosen))


def _frames(root: Path, files: list[str], **more: Any) -> Frames:
    return Frames([image_size(root / file) for file in files], files, **more)


def image_size(path: Path) -> tuple[int, int]:
    """Read width and height, as shown, from the header of a file."""
    try:
        with Image.open(path) as image:
            size, may_move = oriented_size(image), getattr(image, "n_frames", 1) > 1
    except FileNotFoundError as error:
        raise InputError(f"Image {path} not found: check --images.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"Image {path} cannot be read ({error}): replace it.") from error
    if may_move and (count := len(animated_pages(path))) > 1:
        raise InputError(
            f"Image {path} has {count} pictures (an animation, or pages): give each frame a file "
            "of its own."
        )
    return size


def oriented_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as shown, after the rotation that the camera recorded.

    Raises ValueError for what Detectron2 does not show upright: Pillow has turned a TIFF file
    already, and it would be turned again.
    """
    width, height = image.size
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if orientation > 1 and image.format == "TIFF":
        raise ValueError("a TIFF file that has to be turned; store its pixels upright")
    return (height, width) if orientation >= 5 else (width, height)
