"""Videos of frames that have their numbers in black and white cells."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, CELL, HEIGHT = 6, 16, 48
WIDTH = BITS * CELL
UPRIGHT = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)  # matrix of the track header of an MP4


def numbered(index: int) -> np.ndarray:
    """A frame with its number, below 64."""
    frame = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    for bit in range(BITS):
        frame[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (index >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    middle = CELL // 2
    return sum(1 << bit for bit in range(BITS) if frame[middle, bit * CELL + middle].mean() > 127)


def write_numbered(
    path: Path,
    numbers: Iterable[int],
    *,
    codec: str = "libx264",
    options: dict | None = None,
    ticks: Iterable[int] | None = None,
    aspect: Fraction | None = None,
    rate: int = 25,
    format: str | None = None,
) -> Path:
    """Write frames of some numbers; ``ticks`` are their times in intervals of the rate."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"bf": "2", "g": "12"})
        stream.width, stream.height = WIDTH, HEIGHT
        formats = {"mjpeg": "yuvj420p", "apng": "rgb24", "gif": "rgb8", "png": "rgb24"}
        stream.pix_fmt = formats.get(codec, "yuv420p")
        if aspect:
            stream.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio = aspect
        times = iter(ticks) if ticks is not None else None
        for number in numbers:
            frame = av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
            if times is not None:
                frame.pts = next(times)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def set_matrix(path: Path, *matrix: int) -> None:
    """Replace the display matrix of an MP4's track: a, b, c, d of ISO/IEC 14496-12, 6.2.2."""
    a, b, c, d = (value << 16 for value in matrix)
    data = path.read_bytes()
    before = np.array(UPRIGHT, ">i4").tobytes()
    after = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    place = data.index(before, data.index(b"tkhd"))
    path.write_bytes(data[:place] + after + data[place + len(after) :])


def damage_packet(path: Path, number: int) -> None:
    """Overwrite the middle of a packet of an MP4 or AVI file."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        start, size = packets[number].pos, packets[number].size
    data = bytearray(path.read_bytes())
    data[start + 4 : start + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
