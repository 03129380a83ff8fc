"""Files of tensors that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch

from ..files import written_whole


def save_whole(content: dict, path: Path) -> None:
    """Write with ``torch.save``, whole or not at all.

    Raises:
        InputError: if the disk is full or the file may not be written.
    """
    with written_whole(path) as unfinished:
        try:
            with open(unfinished, "wb") as file:
                torch.save(content, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # hidden by what closing did
                raise error.__context__ from None
            raise
