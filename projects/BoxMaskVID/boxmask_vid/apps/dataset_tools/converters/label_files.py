"""Label files, one an image: where they are, and the folders of their images.

Tools put them beside the images, into a folder of the same name (``labels/clip`` and
``images/clip``), or into ``labels`` or ``Annotations`` beside ``images`` or ``JPEGImages``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ....data.datasets.folders import walk_files
from ....data.datasets.numbered_frames import IMAGE_SUFFIXES, is_hidden
from ....errors import InputError
from .labels import LabelledBox, VideoLabels

# folders of labels: those of the images beside them
IMAGE_FOLDERS = {"labels": "images", "Annotations": "JPEGImages", "annotations": "images"}
# names that say nothing about the video
PLAIN_NAMES = {
    *IMAGE_FOLDERS,
    *IMAGE_FOLDERS.values(),
    *("obj_train_data", "obj_Train_data", "data", "xml", "xmls"),
}
SPLITS = {"train", "val", "valid", "test", "default"}  # the images may be here without them


@dataclass(frozen=True)
class LabelFolder:
    """Label files of a folder, which are named after the images of one or more videos."""

    name: str  # of its video, or of all its videos
    path: Path
    files: tuple[Path, ...]
    images: tuple[str, ...]  # where its images may be below the image root

    def video(
        self,
        boxes: list[LabelledBox],
        *,
        drawn_on: tuple[float, float] | None = None,
        sizes: Mapping[int | str, tuple[int, int]] | None = None,
        stated_names: Mapping[int | str, str] | None = None,
    ) -> VideoLabels:
        """Labels of the boxes of its files, with the names and sizes of images that they state."""
        more: dict[str, Any] = {"drawn_on": drawn_on, "sizes": sizes or {}}
        more["stated_names"] = stated_names or {}
        return VideoLabels(
            *(self.name, str(self.path), boxes),
            folders=self.images,
            labelled_frames=frozenset(file.stem for file in self.files),
            may_have_clips=True,
            **more,
        )


def label_folders(
    source: Path, suffix: str, is_label: Callable[[Path], bool] = lambda path: True
) -> list[LabelFolder]:
    """Find the folders of label files at or below a folder, sorted.

    Args:
        source: the folder.
        suffix: of label files.
        is_label: whether a file with this suffix has labels.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if it has no label files.
    """
    if source.is_file():
        raise InputError(f"{source} is a file: give the folder of the label files.")
    if not source.is_dir():
        raise FileNotFoundError(
            f"Folder {source} not found: give the folder with the label files (an archive must be "
            "unpacked)."
        )
    files: dict[Path, list[Path]] = {}
    for path in sorted(walk_files(source)):
        if path.suffix.lower() != suffix:
            continue
        if path.is_file() and not is_hidden(path.relative_to(source)) and is_label(path):
            files.setdefault(path.parent, []).append(path)
    if not files:
        raise InputError(
            f"{source} has no label files (*{suffix}): there must be one an image, with the name "
            "of the image."
        )
    places = {folder: PurePosixPath(folder.relative_to(source).as_posix()) for folder in files}
    names = {folder: _name(source, place) for folder, place in places.items()}
    counts = Counter(names.values())
    return [
        LabelFolder(
            names[folder] if counts[names[folder]] == 1 else place.as_posix(),
            *(folder, tuple(files[folder]), _image_folders(place)),
        )
        for folder, place in places.items()
    ]


def image_root(source: Path) -> Path:
    """Folder of the images of label files: the source, or the ``images`` beside its ``labels``."""
    if not _has_pictures(source):
        for path in (source.absolute(), source.resolve()):  # a link may be beside its images
            for other in _swapped(path.parts):
                if _has_pictures(Path(*other)):
                    return Path(*other)
    return source


def _has_pictures(folder: Path) -> bool:
    return folder.is_dir() and any(
        path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path.relative_to(folder))
        for path in walk_files(folder)
    )


def _swapped(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Paths of images: the last folder of labels replaced."""
    for index in reversed(range(len(parts))):
        if other := IMAGE_FOLDERS.get(parts[index]):
            return [(*parts[:index], other, *parts[index + 1 :])]
    return []


def _image_folders(place: PurePosixPath) -> tuple[str, ...]:
    parts = place.parts
    without = [part for part in parts if part not in IMAGE_FOLDERS]
    options = [*_swapped(parts), parts, tuple(without)]
    options += [(images, *without) for images in dict.fromkeys(IMAGE_FOLDERS.values())]
    if not [part for part in parts if part not in PLAIN_NAMES | SPLITS]:
        options += [(images,) for images in dict.fromkeys(IMAGE_FOLDERS.values())] + [()]
    return tuple(dict.fromkeys(PurePosixPath(*option).as_posix() for option in options))


def _name(source: Path, place: PurePosixPath) -> str:
    parts = [part for part in place.parts if part not in PLAIN_NAMES]
    if parts:
        return "/".join(parts)
    here = [part for part in source.resolve().parts if part not in PLAIN_NAMES]
    return here[-1]
