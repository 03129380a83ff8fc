"""How long a video file says that it is: the way to know that its end is missing.

FFmpeg reads such a file to where it ends and says nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

EBML_HEADER, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MP4_CONTENT = (b"moov", b"moof", b"mdat")


def missing_bytes(path: str | Path) -> int:
    """How many bytes of a video file are missing at least.

    MP4 and QuickTime (ISO/IEC 14496-12, 4.2), Matroska and WebM (RFC 8794, 5 and 6; RFC 9559, 4.5)
    tell the length of their outermost parts. Others do not, nor does a Matroska file of a live
    recording: none of their bytes count as missing.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        announced = _matroska_end(file) if file.read(4) == EBML_HEADER else _mp4_end(file, size)
    return max(announced - size, 0)


def _matroska_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 if it does not say."""
    header = _variable_integer(file)
    file.seek(header or 0, os.SEEK_CUR)
    if header is None or file.read(4) != SEGMENT:
        return 0
    length = _variable_integer(file)
    return 0 if length is None else file.tell() + length


def _variable_integer(file: BinaryIO) -> int | None:
    """The number of leading zero bits is that of the bytes that follow; all ones: unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    bits = 7 * (more + 1)
    value = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return None if len(rest) < more or value == (1 << bits) - 1 else value


def _mp4_end(file: BinaryIO, size: int) -> int:
    """Where the first box with content ends that reaches beyond the file, else 0."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # it reaches to the end of the file, or this is no MP4
            return 0
        position += length
        if position > size and kind in MP4_CONTENT:
            return position
    return 0
