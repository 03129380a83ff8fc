"""Files below folders, linked ones too."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError
from .numbered_frames import is_hidden


def walk_files(root: Path) -> Iterator[Path]:
    """Yield the files at or below a folder, also those in linked folders.

    A folder that is reached in several ways is entered once, by the way without a link if there is
    one, so loops of links end.

    Raises:
        InputError: if a folder cannot be read, or a link leads nowhere.
    """
    entered: set[str] = set()
    folders, linked = deque([root]), deque[Path]()
    while folders or linked:
        folder = (folders or linked).popleft()
        place = os.path.realpath(folder)
        if place in entered:
            continue
        entered.add(place)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(
                f"Folder {folder} cannot be read ({error.strerror}): give its owner's rights, or "
                "take it out."
            ) from error
        for entry in entries:
            path = folder / entry.name
            if entry.is_dir():
                (linked if entry.is_symlink() else folders).append(path)
            elif entry.is_symlink() and not path.exists() and not is_hidden(path.name):
                raise InputError(
                    f"{path} is a link to {os.readlink(path)}, which does not exist: mend the link "
                    "or remove it."
                )
            else:
                yield path
