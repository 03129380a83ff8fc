"""Random access to the frames of a video file, exact to the frame.

Frames are decoded with PyAV, not with OpenCV: PyAV gives the time stamp of every decoded frame, so
that a wrong frame is noticed. OpenCV silently gave wrong frames of an MPEG transport stream, and
takes longer to find a frame (docs/DATASETS.md has the measurement).
"""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from ..errors import InputError
from .container_length import missing_bytes
from .decoding import Orientation, TolerantDecoder
from .frame_index import FrameIndex, read_index
from .opening import open_file

DEFAULT_FPS = 25.0  # of frames without a clock
SURE_TO_LACK = 1.0  # seconds; less may be rounding, or the duration of the last frame


class VideoFile:
    """Frames of a video file, (H, W, 3) BGR uint8, numbered from 0 in the order they are shown.

    Consecutive frames are decoded once; a jump decodes from the last key frame before its goal.
    One object belongs to one process and one thread; once it is closed, reading raises ValueError,
    as of Python's files. ``fps`` is an average. ``missing`` describes
    what is cut off at the end; it is empty if nothing is, or if it is not known (MPEG streams).
    ``hidden`` is the number of frames before the first one that can be decoded, which is frame 0.
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it is not a video.
            NotSeekable: if its frames cannot be told apart by their time stamps.
        """
        self._path = path
        if not Path(path).is_file():
            raise FileNotFoundError(f"Video file {path} not found: check the path.")
        self._open()
        rate = self._stream.average_rate
        self.fps = float(rate) if rate else DEFAULT_FPS
        self._time_base = self._stream.time_base
        self._stored_aspect = self._stream.sample_aspect_ratio
        self._index: FrameIndex = read_index(str(path), os.stat(path).st_mtime_ns)
        self._times = self._index.times
        self.hidden = self._index.hidden
        self.missing = _missing(path, self._stream.frames, self._index.whole_packets)
        if self._index.torn_at:
            self.missing = f"at byte {self._index.torn_at} another one begins"
        elif not self.missing and self._container.format.name.startswith("matroska"):
            self.missing = self._missing_seconds()
        self.damages = self._index.torn_packets
        self._orientation = Orientation()
        self._decoder: Iterator[av.VideoFrame] = iter(())
        self._position: int | None = None  # time stamp of the frame decoded last

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> np.ndarray:
        """
        Raises:
            IndexError: if there is no frame of that number.
            InputError: if it cannot be decoded.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"the video {self._path} has frames 0 to {len(self) - 1}, not {index}")
        goal = int(self._times[index])
        key_times = self._index.key_times
        before = bisect.bisect_right(key_times, goal)
        key, earlier = (
            int(key_times[before - back]) if before >= back else None for back in (1, 3)
        )
        # Some containers seek inexactly: where the first frame is too late, start earlier.
        decoders: Iterator[Iterator[av.VideoFrame]] = map(self._seek, (key, earlier, None))
        position = self._position
        if position is not None and (position if key is None else key) <= position < goal:
            decoders = chain([self._decoder], decoders)
        for decoder in decoders:
            frame = self._decode_until(goal, decoder)
            if frame is not None:
                return self._orientation.upright(frame)
        raise InputError(
            f"Frame {index} of the video {self._path} cannot be decoded: get it again."
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(len(self)):
            yield self[index]

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Decode all frames once; yield the number and the picture of each that can be decoded.

        ``damages`` counts the places where the decoder found errors, but for the end of the file.
        """
        last, self.damages = -1, self._index.torn_packets
        self._seek(None)
        decoder = TolerantDecoder(self._container, self._stream)
        is_whole = not self.hidden  # not so up to the first key frame behind a start between two
        errors_before = 0
        for frame in decoder:
            index = self._number(frame.pts)
            is_whole |= frame.key_frame and last >= 0
            if not is_whole or last < 0:
                errors_before = decoder.errors
            elif frame.is_corrupt and frame.pts not in self._index.last_times:
                self.damages += 1
            if index is not None and index > last:
                yield index, self._orientation.upright(frame)
                last = index
        self.damages += max(decoder.errors_inside - errors_before, 0)

    def nearest(self, index: int) -> np.ndarray:
        """The frame of a number; if it cannot be decoded, the last before it that can, or the next.

        Raises InputError if no frame can be decoded.
        """
        try:
            return self[index]
        except InputError:
            found = None
            for number, frame in self.frames():
                if found is not None and number > index:
                    break
                found = frame
            self._position = None
            if found is None:
                raise
            return found

    def time(self, index: int) -> float:
        """Time at which a frame is shown, in seconds from the first one."""
        assert self._time_base is not None  # frames have time stamps
        return float((int(self._times[index]) - int(self._times[0])) * self._time_base)

    @functools.cached_property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height, as shown."""
        stored = self._stored_aspect
        if not stored or stored == 1:
            return Fraction(1)
        frame = next(self._seek(None), None)
        self._position = None
        is_turned = frame is not None and self._orientation.is_on_its_side(frame)
        return 1 / stored if is_turned else stored

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def check(self) -> None:
        """Decode all frames once.

        Raises:
            InputError: if one is missing, cannot be decoded, or is not that of its packet.
        """
        if self.missing:
            raise InputError(f"The video {self._path} is cut off: {self.missing}; get it again.")
        self._seek(None)
        decoder = TolerantDecoder(self._container, self._stream)
        decoded: list[int | None] = []
        for frame in decoder:
            decoded.append(frame.pts)
            if decoder.errors:
                break
        self._position = None
        if decoder.errors:
            raise InputError(
                f"The video {self._path} cannot be decoded at frame {len(decoded)} "
                f"({decoder.last_error}): get it again."
            )
        if decoded != self._times.tolist():
            raise InputError(
                f"The video {self._path} declares {len(self)} frames, but the {len(decoded)} "
                "decoded ones have other time stamps: extract its frames (--extract)."
            )

    def _open(self) -> None:
        self._container, self._stream = open_file(str(self._path))

    def _seek(self, time: int | None) -> Iterator[av.VideoFrame]:
        """Decode from the key frame of a time stamp; None for the start of the file."""
        if not self._container.streams:
            raise ValueError(f"The video {self._path} was closed before its frames were read.")
        self._position = None
        if time is None:
            self._container.close()
            self._open()
        else:
            self._container.seek(time, stream=self._stream, backward=True)
        self._decoder = iter(TolerantDecoder(self._container, self._stream))
        return self._decoder

    def _decode_until(self, goal: int, decoder: Iterator[av.VideoFrame]) -> av.VideoFrame | None:
        """Decode the frame of a time stamp; None if a later one or the end comes first."""
        for frame in decoder:
            self._position = frame.pts
            if frame.pts is None or frame.pts > goal:
                break
            if frame.pts == goal:
                return frame
        self._position = None
        return None

    def _missing_seconds(self) -> str:
        """Describe what a Matroska file lacks whose reading ends before its declared end."""
        declared, streams = self._container.duration, self._container.streams
        if not declared or len(streams) > 1:  # the sound may be longer
            return ""
        lacking = declared / av.time_base - self.time(len(self) - 1) - 1 / self.fps
        return f"its last {lacking:.1f} seconds are missing" if lacking > SURE_TO_LACK else ""

    def _number(self, time: int | None) -> int | None:
        """Number of the frame of a time stamp."""
        if time is None:
            return None
        index = bisect.bisect_left(self._times, time)
        return index if index < len(self) and self._times[index] == time else None


def _missing(path: str | Path, declared: int, whole: int) -> str:
    """Describe which of the declared frames or bytes a file lacks."""
    if whole < declared:
        return f"{declared - whole} of its {declared} frames are missing or broken"
    missing = missing_bytes(path)
    return f"at least {missing} bytes are missing" if missing else ""
