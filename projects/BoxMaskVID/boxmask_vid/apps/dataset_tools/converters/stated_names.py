"""Label files that state another image than the one they are named after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from ....data.datasets.numbered_frames import IMAGE_SUFFIXES
from ....errors import InputError
from .frames import Frames
from .labels import VideoLabels


def stem_of(name: str) -> str:
    """Name of an image without its folder and its suffix, if it has one."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def by_stated_names(video: VideoLabels, frames: Frames) -> VideoLabels:
    """Labels whose frames are called after the images that their files state, if these exist.

    Images that do not exist are those of files that were renamed together with their images.

    Raises:
        InputError: if the name of a file and the name in it are those of two images, or two files
            are of one image.
    """
    if not video.stated_names or frames.files is None:
        return video
    stems = {PurePosixPath(file).stem for file in frames.files}
    called = {file: name for file, name in video.stated_names.items() if name in stems}
    both = next((file for file, name in called.items() if file in stems and name != file), None)
    if both is not None:
        raise InputError(
            f"{video.where}: the label file {both} states the image {called[both]}, and there are "
            "images of both names: rename the file, or correct its <filename>."
        )
    _check_once(video, called)
    return replace(
        video,
        boxes=[replace(box, frame=called.get(box.frame, box.frame)) for box in video.boxes],
        labelled_frames=frozenset(called.get(file, file) for file in video.labelled_frames or ()),
        sizes={called.get(file, file): size for file, size in video.sizes.items()},
    )


def _check_once(video: VideoLabels, called: Mapping[int | str, str]) -> None:
    files: dict[int | str, int | str] = {}
    for file in sorted(video.labelled_frames or (), key=str):
        name = called.get(file, file)
        if name in files:
            raise InputError(
                f"{video.where}: the label files {files[name]} and {file} are both of the image "
                f"{name}: keep the right one."
            )
        files[name] = file
