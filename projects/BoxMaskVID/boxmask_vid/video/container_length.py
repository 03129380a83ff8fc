"""Length that a video file declares, to detect that its end is missing.

FFmpeg reads a truncated file up to its end without an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

EBML_HEADER, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ENTERED = (SEGMENT, b"\x1f\x43\xb6\x75")  # and clusters
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
# what a segment and a cluster consist of (RFC 9559, 5), and the filling of RFC 8794
MATROSKA_PARTS = {
    bytes.fromhex(kind)
    for kind in (
        *("114d9b74", "1549a966", "1654ae6b", "1f43b675", "1c53bb6b", "1941a469", "1043a770"),
        *("1254c367", "e7", "5854", "a7", "ab", "a3", "a0", "af", "ec", "bf"),
    )
}
DOCUMENT_TYPES = (b"\x42\x82\x88matroska", b"\x42\x82\x84webm")  # in an EBML header
LONGEST_HEADER, BLOCK = 64, 1 << 20  # bytes
FLV_TAG = 11  # bytes before the content of a tag; 4 more follow it
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


def second_start(path: str | Path) -> int | None:
    """Byte at which a second video begins in a file; None if there is none.

    FFmpeg reads the first of two joined files only, if the container has a table of all its parts
    (MP4, AVI, ASF) or times that start again (FLV).
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(16)
        if start[:3] == b"FLV":
            return _second_flv(file, size)
        if start == ASF_HEADER:
            end, same = _asf_end(file), ASF_HEADER
        elif start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            return _second_avi(file, size)
        else:
            return _second_mp4(file, size)
        file.seek(end)
        return end if 0 < end < size and file.read(len(same)) == same else None


def second_matroska(path: str | Path) -> int | None:
    """Byte at which a second Matroska or WebM file begins in one; None if there is none.

    FFmpeg reads it on, with the codec's settings of the first. Segments and clusters, of which
    live recordings do not know the length, are entered, other elements are jumped over (RFC 8794,
    4 to 6).
    """
    with open(path, "rb") as file:
        if file.read(4) != EBML_HEADER:
            return None
        start, is_header = _walk_matroska(file, os.path.getsize(path))
    return start if is_header else None


def torn_matroska(path: str | Path) -> int | None:
    """Byte at which a Matroska or WebM file is cut off and another one begins; None if it is not.

    Files whose parts end where they should are not searched.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start, is_header = 0, file.read(len(EBML_HEADER)) == EBML_HEADER
        if not is_header:
            return None
        while is_header:
            content = start + len(EBML_HEADER)
            file.seek(content)
            declared = _matroska_end(file)
            file.seek(content)
            start, is_header = _walk_matroska(file, size)
        return None if (declared or start) == size else _find_header(file, content)


def _walk_matroska(file: BinaryIO, size: int) -> tuple[int, bool]:
    """Go from part to part behind an EBML header's first bytes.

    Returns the byte at which a second header is, and True; otherwise the end of the last part.
    """
    length = _variable_integer(file)
    has_segment = False
    while length is not None and file.tell() + length + 4 < size:
        file.seek(length, os.SEEK_CUR)
        start = file.tell()
        kind = file.read(1)
        kind += file.read(min(8 - kind[0].bit_length(), 3))
        length = _variable_integer(file)
        if kind == EBML_HEADER:
            return start, True
        if kind not in MATROSKA_PARTS and (kind != SEGMENT or has_segment):
            return start, False
        has_segment |= kind == SEGMENT
        if kind in ENTERED:
            length = 0
    return file.tell() + (length or 0), False


def _find_header(file: BinaryIO, position: int) -> int | None:
    """Byte at which the next EBML header of Matroska or WebM is, wherever it is."""
    file.seek(position)
    rest = b""
    while block := file.read(BLOCK):
        text = rest + block
        start = text.find(EBML_HEADER)
        while start >= 0:
            header = text[start : start + LONGEST_HEADER]
            if any(kind in header for kind in DOCUMENT_TYPES):
                return position + start
            start = text.find(EBML_HEADER, start + 1)
        rest = text[-LONGEST_HEADER:]
        position += len(text) - len(rest)
    return None


def _asf_end(file: BinaryIO) -> int:
    """Size of the file as its header has it; 0 if it is not known."""
    file.seek(0)
    start = file.read(4096)
    place = start.find(ASF_PROPERTIES)
    return int.from_bytes(start[place + 40 : place + 48], "little") if place >= 0 else 0


def _second_avi(file: BinaryIO, size: int) -> int | None:
    position = 0
    while position + 12 <= size:
        file.seek(position)
        header = file.read(12)
        if header[:4] != b"RIFF":
            return None
        if position and header[8:] == b"AVI ":  # large files go on with AVIX
            return position
        length = int.from_bytes(header[4:8], "little")
        position += 8 + length + length % 2
    return None


def _second_flv(file: BinaryIO, size: int) -> int | None:
    file.seek(5)
    position = int.from_bytes(file.read(4), "big") + 4
    while position + FLV_TAG <= size:
        file.seek(position)
        header = file.read(FLV_TAG)
        if header[:3] == b"FLV":
            return position
        if header[0] & 0x1F not in (8, 9, 18):
            return None
        position += FLV_TAG + int.from_bytes(header[1:4], "big") + 4
    return None


def _second_mp4(file: BinaryIO, size: int) -> int | None:
    """Start of the second film; files in fragments have one ``moov`` in any number of parts."""
    position, films, start = 0, 0, None
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:], "big")
        if length < 8:
            return None
        if kind == b"ftyp" and position:
            start = position
        films += kind == b"moov"
        if films > 1:
            return start or position
        position += length
    return None


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
