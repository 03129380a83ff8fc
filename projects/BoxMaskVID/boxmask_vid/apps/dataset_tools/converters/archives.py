"""Archives as annotation tools export them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ....data.datasets.numbered_frames import IMAGE_SUFFIXES
from ....errors import InputError, writing
from ....files import write_new

SUFFIX = ".zip"


def is_archive(path: Path) -> bool:
    """Whether a path is called like a zip file."""
    return path.suffix.lower() == SUFFIX


@contextmanager
def opened(source: Path, into: Path | None, *, needs_images: bool) -> Iterator[Path]:
    """Unpack a source of annotations if it is an archive.

    Args:
        source: a file or a folder; a zip file is unpacked.
        into: the folder ``into/NAME`` is written, with the name of the archive; None for a
            temporary folder without the images.
        needs_images: whether the images of an archive are to be used.

    Yields:
        the source, or the folder of the archive.

    Raises:
        FileNotFoundError: if there is no such archive.
        InputError: if it is not a zip file, or its images have no place.
    """
    if not is_archive(source) or source.is_dir():
        yield source
    elif not source.is_file():
        raise FileNotFoundError(f"File {source} not found: check the path.")
    elif needs_images and into is None:
        raise InputError(
            f"{source} is an archive: add --extract FOLDER to unpack it there, or give the "
            "unpacked images with --images."
        )
    elif needs_images and into is not None:
        yield _unpack(source, into, with_images=True)
    else:
        with TemporaryDirectory() as folder:
            yield _unpack(source, Path(folder), with_images=False)


def _unpack(archive: Path, into: Path, *, with_images: bool) -> Path:
    folder = into / archive.stem
    try:
        with zipfile.ZipFile(archive) as file, writing(folder):
            for name in file.namelist():
                if with_images or Path(name).suffix.lower() not in IMAGE_SUFFIXES:
                    _extract(file, name, folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive} cannot be unpacked ({error}): export it again.") from error
    return folder


def _extract(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    """Unpack a file; one that is there already is not overwritten."""
    with TemporaryDirectory() as empty:  # the library decides what unusual names become
        path = Path(archive.extract(name, empty))
        target = folder / path.relative_to(empty)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            write_new(target, path.read_bytes(), option="--extract")
