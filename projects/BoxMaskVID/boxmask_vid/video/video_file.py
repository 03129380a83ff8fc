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
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import InputError
from .container_length import missing_bytes

DEFAULT_FPS = 25.0  # of frames without a clock
# Playlists name other files: an uploaded one could show files that its author may not read.
PLAYLISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}
OPENING = {"format_whitelist": ",".join(sorted(av.formats_available - PLAYLISTS))}


class NoTimeStamps(InputError):
    """The frames of a video have no time stamps, as in a raw H.264 stream."""


class VideoFile:
    """Frames of a video file, (H, W, 3) BGR uint8, numbered from 0 in the order they are shown.

    Consecutive frames are decoded once; a jump decodes from the last key frame before its goal.
    One object belongs to one process and one thread.

    Attributes:
        fps: frames per second, on average.
        missing: description of what is cut off at the end; empty if nothing is, or if it is not
            known (MPEG streams, raw H.264).
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it is not a video.
            NoTimeStamps: if its frames have none.
        """
        self._path = path
        if not Path(path).is_file():
            raise FileNotFoundError(f"Video file {path} not found: check the path.")
        self._open()
        rate = self._stream.average_rate
        self.fps = float(rate) if rate else DEFAULT_FPS
        self._times, self._key_times, whole = _read_index(str(path), os.stat(path).st_mtime_ns)
        self.missing = _missing(path, self._stream.frames, whole)
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
        before = bisect.bisect_right(self._key_times, goal)
        key, earlier = (
            int(self._key_times[before - back]) if before >= back else None for back in (1, 3)
        )
        # Some containers seek inexactly: where the first frame is too late, start earlier.
        decoders: Iterator[Iterator[av.VideoFrame]] = map(self._seek, (key, earlier, None))
        position = self._position
        if position is not None and (position if key is None else key) <= position < goal:
            decoders = chain([self._decoder], decoders)
        for decoder in decoders:
            frame = self._decode_until(goal, decoder)
            if frame is not None:
                return frame
        raise InputError(
            f"Frame {index} of the video {self._path} cannot be decoded: get it again."
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(len(self)):
            yield self[index]

    def time(self, index: int) -> float:
        """Time at which a frame is shown, in seconds from the first one."""
        assert self._stream.time_base is not None  # frames have time stamps
        return float((int(self._times[index]) - int(self._times[0])) * self._stream.time_base)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def check(self) -> None:
        """Decode all frames once.

        Raises:
            InputError: if the decoded frames are not those of the packets.
        """
        decoded: list[int | None] = []
        try:
            decoded.extend(frame.pts for frame in self._seek(None))
        except av.FFmpegError as error:
            raise self._broken(len(decoded), error) from error
        finally:
            self._position = None
        if decoded != self._times.tolist():
            raise InputError(
                f"The video {self._path} declares {len(self)} frames, but the {len(decoded)} "
                "decoded ones have other time stamps: extract its frames (--extract)."
            )

    def _open(self) -> None:
        self._container, self._stream = _open(str(self._path))

    def _seek(self, time: int | None) -> Iterator[av.VideoFrame]:
        """Decode from the key frame of a time stamp; None for the start of the file."""
        self._position = None
        if time is None:
            self._container.close()
            self._open()
        else:
            self._container.seek(time, stream=self._stream, backward=True)
        self._decoder = self._container.decode(self._stream)
        return self._decoder

    def _decode_until(self, goal: int, decoder: Iterator[av.VideoFrame]) -> np.ndarray | None:
        """Decode the frame of a time stamp; None if a later one or the end comes first."""
        try:
            for frame in decoder:
                self._position = frame.pts
                if frame.pts is None or frame.pts > goal:
                    break
                if frame.pts == goal:
                    return upright(frame)
        except av.FFmpegError as error:
            raise self._broken(bisect.bisect(self._times, self._position or 0), error) from error
        self._position = None
        return None

    def _broken(self, index: int, error: Exception) -> InputError:
        return InputError(
            f"The video {self._path} cannot be decoded at frame {index} ({error}): get it again."
        )


def _open(path: str) -> tuple[InputContainer, VideoStream]:
    try:
        container = av.open(path, options=OPENING)
        stream = container.streams.video[0]
    except (av.FFmpegError, IndexError) as error:
        raise InputError(
            f"The file {path} is not a video that FFmpeg can read: check the file."
        ) from error
    stream.codec_context.thread_count = 1  # loader workers are the parallelism
    return container, stream


def _missing(path: str | Path, declared: int, whole: int) -> str:
    """Describe which of the declared frames or bytes a file lacks."""
    if whole < declared:
        return f"{declared - whole} of its {declared} frames are missing or broken"
    missing = missing_bytes(path)
    return f"at least {missing} bytes are missing" if missing else ""


@functools.lru_cache(maxsize=1024)
def _read_index(path: str, modified: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Read sorted time stamps of frames and key frames, and count whole packets; decode none."""
    container, stream = _open(path)
    try:
        with container:
            packets = [
                (packet.pts, packet.is_keyframe, packet.is_discard, packet.is_corrupt)
                for packet in container.demux(stream)
                if packet.size
            ]
    except av.FFmpegError as error:
        raise InputError(f"The video {path} is broken ({error}): get it again.") from error
    shown = [(time, is_key) for time, is_key, is_discarded, _ in packets if not is_discarded]
    if not shown:
        raise InputError(f"The video {path} has no frames: get it again.")
    if any(time is None for time, _ in shown):
        raise NoTimeStamps(
            f"The frames of the video {path} have no time stamps, so that they cannot be found by "
            "number: put them into another container (ffmpeg -i IN -c copy OUT.mp4)."
        )
    times = np.sort([time for time, _ in shown])
    whole = sum(not is_corrupt for *_, is_corrupt in packets)
    return times, np.sort([time for time, is_key in shown if is_key]), whole


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Picture (H, W, 3) BGR as players show it, after the rotation that the camera recorded."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90))
