"""Length that a video file declares, to detect that its end is missing.

FFmpeg reads a truncated file up to its end without an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

EBML_HEADER, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MP4_CONTENT = (b"moov", b"moof", b"mdat")


def missing_bytes(path: str | Path) -> int:
    """Lower bound of the number of bytes missing from a video file.

    MP4 and QuickTime (ISO/IEC 14496-12, 4.2), Matroska and WebM (RFC 8794, 5 and 6; RFC 9559, 4.5)
    declare the length of their outermost parts. Other containers and Matroska files of live
    recordings do not; the result for them is 0.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        declared = _matroska_end(file) if file.read(4) == EBML_HEADER else _mp4_end(file, size)
    return max(declared - size, 0)


def _matroska_end(file: BinaryIO) -> int:
    """End of the segment; 0 if it is not declared."""
    header = _variable_integer(file)
    file.seek(header or 0, os.SEEK_CUR)
    if header is None or file.read(4) != SEGMENT:
        return 0
    length = _variable_integer(file)
    return 0 if length is None else file.tell() + length


def _variable_integer(file: BinaryIO) -> int | None:
    """Read an integer with as many bytes after the first as it has leading zero bits.

    None where the value is all ones ("unknown") or cannot be read.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    bits = 7 * (more + 1)
    value = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return None if len(rest) < more or value == (1 << bits) - 1 else value


def _mp4_end(file: BinaryIO, size: int) -> int:
    """End of the first box with content that extends beyond the file; 0 if there is none."""
    position = 0
    while position < size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if length < 8:  # it extends to the end of the file, or this is not an MP4
            return 0
        position += length
        if position > size and kind in MP4_CONTENT:
            return position
    return 0
