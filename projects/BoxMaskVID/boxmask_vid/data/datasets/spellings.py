"""Names with accents, which Macs and their archives write as letters and accents of their own."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def same_spelling(name: str) -> str:
    """A name in the spelling in which equal texts are equal (Unicode's NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spelled_as_there(root: Path, name: str) -> str:
    """A name below a folder as it is spelled there; the name itself if it is not there."""
    if name.isascii() or os.path.lexists(root / name):
        return name
    spellings = (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
    return next((other for other in spellings if os.path.lexists(root / other)), name)
