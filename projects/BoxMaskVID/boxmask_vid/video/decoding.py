"""Decoding of the packets of a stream, also of damaged ones, and pictures as players show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

Directions = tuple[tuple[int, int], tuple[int, int]]

MOST_FAILURES = 100  # to read on, in a row, after which the rest of a file is given up


class TolerantDecoder:
    """Frames of a stream in the order of the file; it goes on behind packets that are damaged.

    ``errors`` counts those, ``errors_inside`` those with others behind them; ``last_error`` is the
    newest of them, ``read_error`` one that ended the file before its end. ``before_key`` counts the
    packets before the first key frame, ``repeats`` those without content, which repeat the picture
    before. Once the container is closed, the next frame is a ValueError: FFmpeg's memory is free.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self.errors = self.errors_inside = self.before_key = self.repeats = 0
        self.last_error: av.FFmpegError | None = None
        self.read_error: av.FFmpegError | None = None

    def __iter__(self) -> Iterator[av.VideoFrame]:
        key_is_known = False
        for packet in self.packets():
            self.errors_inside = self.errors
            key_is_known |= packet.is_keyframe
            self.before_key += not key_is_known
            yield from self._decode(packet)
        yield from self._decode(None)

    def packets(self) -> Iterator[av.Packet]:
        """Packets of the stream with content, undecoded."""
        failures = 0
        while failures < MOST_FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if packet.size:
                        yield packet
                    elif packet.dts is not None:  # otherwise the stream ends
                        self.repeats += 1
                    if not self._container.streams:
                        raise ValueError("The file was closed before its frames were read.")
            except av.InvalidDataError as error:
                self._note(error)
                failures += 1
            except (av.EOFError, IndexError):
                return  # an IndexError of PyAV: at the end, if streams were found while reading
            except av.FFmpegError as error:
                self._note(error)
                self.read_error = error
                return
            else:
                return

    def _decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except av.EOFError:  # nothing is left in the decoder
            return []
        except av.FFmpegError as error:
            self._note(error)
            return []

    def _note(self, error: av.FFmpegError) -> None:
        self.errors += 1
        self.last_error = error


class Orientation:
    """Turns and mirrors the frames of one stream, as its camera recorded and players show them.

    The display matrix is looked up once for each rotation: PyAV's objects for it keep the frame in
    memory until Python's garbage is collected.
    """

    def __init__(self) -> None:
        self._directions: dict[int, Directions] = {}

    def upright(self, frame: av.VideoFrame) -> np.ndarray:
        """Picture (H, W, 3) BGR as players show it."""
        picture = frame.to_ndarray(format="bgr24")
        across, down = self._find(frame)
        if abs(across[1]) > abs(across[0]):  # its rows are shown as columns
            picture = picture.transpose(1, 0, 2)
            across, down = down, across
        picture = picture[:: -1 if down[1] < 0 else 1, :: -1 if across[0] < 0 else 1]
        return np.ascontiguousarray(picture)

    def is_on_its_side(self, frame: av.VideoFrame) -> bool:
        """Whether rows of the stored picture are shown as columns."""
        across, _ = self._find(frame)
        return abs(across[1]) > abs(across[0])

    def _find(self, frame: av.VideoFrame) -> Directions:
        rotation = frame.rotation
        if rotation not in self._directions:
            self._directions[rotation] = _directions(frame)
        return self._directions[rotation]


def _directions(frame: av.VideoFrame) -> Directions:
    """Where the stored picture's x and y axes point (right, down) when it is shown.

    From the display matrix of ISO/IEC 14496-12, 6.2.2 and 8.3.2: (x, y) is shown at
    (a x + c y, b x + d y).
    """
    try:
        matrix = cast(Any, frame.side_data).get("DISPLAYMATRIX")  # PyAV's types are wrong
    except ValueError:  # a kind of data that PyAV does not know is among them
        turned = {90: ((0, -1), (1, 0)), 180: ((-1, 0), (0, -1)), 270: ((0, 1), (-1, 0))}
        return turned.get(round(frame.rotation / 90) * 90 % 360, ((1, 0), (0, 1)))
    if matrix is None:
        return (1, 0), (0, 1)
    a, b, _, c, d, *_ = np.frombuffer(matrix, "=i4").tolist()
    return ((a, b), (c, d)) if a or b else ((1, 0), (0, 1))
