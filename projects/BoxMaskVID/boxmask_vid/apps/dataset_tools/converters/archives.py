"""Archives as annotation tools export them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ....errors import InputError, writing

SUFFIX = ".zip"


def is_archive(path: Path) -> bool:
    """Whether a path is called like a zip file."""
    return path.suffix.lower() == SUFFIX


def unpack(archive: Path, into: Path | None) -> Path:
    """Unpack an archive.

    Args:
        archive: a zip file.
        into: the folder ``into/NAME`` is written, with the name of the archive.

    Returns:
        that folder.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not a zip file, or ``into`` is None.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"File {archive} not found: check the path.")
    if into is None:
        raise InputError(
            f"{archive} is an archive: add --extract FOLDER to unpack it there, or unpack it and "
            "give its folder."
        )
    folder = into / archive.stem
    try:
        with zipfile.ZipFile(archive) as file, writing(folder):
            file.extractall(folder)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive} cannot be unpacked ({error}): export it again.") from error
    return folder
