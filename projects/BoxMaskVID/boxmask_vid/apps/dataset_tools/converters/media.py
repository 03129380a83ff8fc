"""Frames that annotations belong to: folders of images, or video files."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import cv2
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
from ....errors import InputError
from ....files import write_new
from ....video import VideoFile
from ....video.image_files import VIDEO_SUFFIXES
from .labels import VideoLabels

JPEG_OPTIONS = (cv2.IMWRITE_JPEG_QUALITY, 95)
ALMOST = 0.002  # two rates that differ less are 60 and 59.94 frames a second
OTHER_RATE = "videos have another rate than the numbered images (give the images to be certain)"
OTHER_NUMBERS = "videos whose complete images do not count from the number of the first frame"
WITHOUT_PICTURE = "frames without a picture"
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Frames:
    """Frames of a video."""

    sizes: Sequence[tuple[int, int]]  # width and height of each frame
    files: Sequence[str] | None = None  # image files below the root; None for a video file
    video_file: str | None = None  # video file below the root, if frames are read in place
    extracted_from: str | None = None  # video file below the root, if they are not
    # of the first frame of a video file in the names of label files; None for images
    first_number: int | None = None
    frames_per_number: float = 1.0  # of a video file; not 1 where the images had another rate
    places: Mapping[int, int] | None = None  # position of each number; None if they are equal
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Folder or video file, for messages."""
        if self.video_file is not None:
            return self.video_file
        return PurePosixPath(self.files[0]).parent.as_posix() if self.files else "its video"

    def position(self, frame: int | str) -> int | None:
        """Find the frame that annotations mean: by its number, stem, or number in a stem."""
        if isinstance(frame, int):
            if self.places is not None:
                return self.places.get(frame)
            return frame if 0 <= frame < len(self.sizes) else None
        number = last_number(frame)
        if self.first_number is not None:
            if number is None:
                return None
            return self.position(round((number - self.first_number) * self.frames_per_number))
        found = self._stems.get(frame)
        return self._numbers.get(number) if found is None and frame.isdigit() else found

    @cached_property
    def _stems(self) -> dict[str, int]:
        return {PurePath(file).stem: index for index, file in enumerate(self.files or ())}

    @cached_property
    def _numbers(self) -> dict[int | None, int]:
        """Positions of numbers that occur once."""
        numbers = {stem: last_number(stem) for stem in self._stems}
        counts = Counter(numbers.values())
        return {n: self._stems[stem] for stem, n in numbers.items() if counts[n] == 1}


def find_images(root: Path, video: VideoLabels) -> Frames:
    """Find the images of a video below a folder."""
    if video.images is not None:
        return _frames(root, list(video.images))
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
    inside = [PurePosixPath(name) for name in (*names, *video.shared_folders)]
    folders = [root / p for p in inside if not p.is_absolute() and ".." not in p.parts]
    # os.path.isdir is also False for names that are not valid
    existing = [folder for folder in folders if os.path.isdir(folder)]
    for folder in [*existing, *_only_folder(root, existing, video)]:
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
    wanted = video.labelled_frames or frozenset()
    clips = [
        clip
        for clip in split_clips(files)
        if any(PurePosixPath(file).stem in wanted for file in clip.files)
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


def find_file(root: Path, video: VideoLabels) -> Path | None:
    """Find the video file of a video below a folder; None if there is none."""
    stems = dict.fromkeys((*video.folders, video.name))
    inside = [p for p in map(PurePosixPath, stems) if not p.is_absolute() and ".." not in p.parts]
    candidates = [root / f"{stem}{suffix}" for stem in inside for suffix in VIDEO_SUFFIXES]
    candidates += [path.with_suffix(path.suffix.upper()) for path in candidates]
    return next((path for path in candidates if os.path.isfile(path)), None)


def find_video_file(
    root: Path, extract: Path | None, first_number: int | None, video: VideoLabels
) -> Frames:
    """Find the video file of a video below a folder.

    Args:
        root: the folder.
        extract: write its frames as JPEG below this folder.
        first_number: see :class:`Frames`; None for that of the annotations.
        video: annotations.
    """
    found = find_file(root, video)
    if found is None:
        raise InputError(
            f"Video file {root / video.name}.mp4 (or {', '.join(VIDEO_SUFFIXES[1:])}) of "
            f"{video.where} not found: check --videos."
        )
    with VideoFile(found) as file:
        _check_length(video, found, len(file))
        about: dict[str, Any] = {
            "first_number": video.first_number if first_number is None else first_number
        }
        if video.rate is not None and file.fps != video.rate:
            if abs(file.fps / video.rate - 1) < ALMOST:
                about["frames_per_number"] = file.fps / video.rate
            else:
                about["left_out"] = Counter({OTHER_RATE: 1})
        name_below = found.relative_to(root).as_posix()
        if extract is None:
            file.check()
            height, width, _ = file[0].shape
            sizes = [(width, height)] * len(file)
            return Frames(sizes, video_file=name_below, **about)
        sizes, files = [], []
        (extract / video.name).mkdir(parents=True, exist_ok=True)
        for index, frame in enumerate(file):
            name = f"{video.name}/{index:06d}.jpg"
            is_encoded, content = cv2.imencode(".jpg", frame, JPEG_OPTIONS)
            if not is_encoded:
                raise OSError(f"OpenCV cannot encode frame {index} of {found}")
            write_new(extract / name, content.tobytes(), option="--extract")
            sizes.append((frame.shape[1], frame.shape[0]))
            files.append(name)
    return Frames(sizes, files, extracted_from=name_below, **about)


def unused_media(root: Path, used: Sequence[Frames]) -> Counter[str]:
    """Count folders, images and video files below a folder that have no annotations."""
    taken = {
        _real(root / file)
        for frames in used
        for file in (*(frames.files or ()), frames.video_file, frames.extracted_from)
        if file is not None
    }
    is_videos = any(frames.first_number is not None for frames in used)
    suffixes = VIDEO_SUFFIXES if is_videos else IMAGE_SUFFIXES
    left_out: Counter[str] = Counter()
    by_folder: dict[Path, set[str]] = defaultdict(set)
    for path in walk_files(root):
        if path.suffix.lower() in suffixes and not is_hidden(path.relative_to(root)):
            by_folder[path.parent].add(_real(path))
    for files in by_folder.values():
        others = files - taken
        if is_videos:
            left_out["video files without annotations"] += len(others)
        elif others and others == files:
            left_out["folders of images without annotations"] += 1
        else:
            left_out["images of other clips"] += len(others)
    return +left_out


@lru_cache(maxsize=100_000)
def _real_folder(folder: Path) -> str:
    return os.path.realpath(folder)


def _real(path: Path) -> str:
    """Path of a file without links to its folder."""
    return os.path.join(_real_folder(path.parent), path.name)


def _check_length(video: VideoLabels, path: Path, length: int) -> None:
    numbers = video.frames
    if numbers is None or (len(numbers) == length and numbers[-1] < length):
        return
    if len(numbers) > length or numbers[-1] >= length or not video.is_part:
        raise InputError(
            f"{video.where} has {len(numbers)} frames, {numbers[0]} to {numbers[-1]}, {path} has "
            f"{length}: give the video that was annotated."
        )


def image_size(path: Path) -> tuple[int, int]:
    """Read width and height, as shown, from the header of a file."""
    try:
        with Image.open(path) as image:
            return oriented_size(image)
    except FileNotFoundError as error:
        raise InputError(f"Image {path} not found: check --images.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"Image {path} cannot be read ({error}): replace it.") from error


def oriented_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as shown, after the rotation that the camera recorded."""
    width, height = image.size
    turned = image.getexif().get(EXIF_ORIENTATION, 1) >= 5
    return (height, width) if turned else (width, height)


def last_number(stem: str) -> int | None:
    """Number at the end of a name; None if it does not end with one."""
    found = re.search(r"(\d{1,12})$", stem)
    return int(found[1]) if found else None
