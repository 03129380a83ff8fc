"""Any frame of a video file, exactly.

Decoded with PyAV, not with OpenCV: it tells the time stamp of every frame that it decodes, so that
a frame which is not the one that was asked for is noticed. OpenCV gave other frames without a word
from an MPEG transport stream, and takes longer to find a frame (docs/DATASETS.md has it).
"""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import InputError
from .container_length import missing_bytes
from .no_time_stamps import NoTimeStamps

DEFAULT_FPS = 25.0  # of frames without a clock
# Playlists name other files: those who upload one would be shown what they may not see.
PLAYLISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}
OPENING = {"format_whitelist": ",".join(sorted(av.formats_available - PLAYLISTS))}


class VideoFile:
    """Frames of a video file, (H, W, 3) BGR uint8, numbered from 0 in the order they are shown.

    Frames that follow each other are decoded once; a jump decodes from the key frame before its
    goal. One object belongs to one process and one thread.

    Attributes:
        fps: frames per second, on average.
        missing: what is cut off at the end, in words; empty if nothing is, or if a file of this
            kind does not tell (MPEG streams, raw H.264).
    """

    def __init__(self, path: str | Path) -> None:
        """
        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if it is no video.
            NoTimeStamps: if its frames have none.
        """
        self._path = path
        if not Path(path).is_file():
            raise FileNotFoundError(f"There is no video file {path}: bring it.")
        self._open()
        rate = self._stream.average_rate
        self.fps = float(rate) if rate else DEFAULT_FPS
        index = _read_index(str(path), os.stat(path).st_mtime_ns)
        self._times, self._key_times, whole = index
        self.missing = _missing(path, self._stream.frames, whole)
        self._decoder: Iterator[av.VideoFrame] | None = None
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
        if self._position is not None and self._position < goal:
            on_the_way = key is None or key <= self._position
            frame = self._decode_until(goal) if on_the_way else None
            if frame is not None:
                return frame
        # Some containers are sought inexactly: where the first frame comes too late, start earlier.
        for start in (key, earlier, None):
            self._seek(start)
            frame = self._decode_until(goal)
            if frame is not None:
                return frame
        raise InputError(
            f"Frame {index} of the video {self._path} cannot be decoded: bring it anew."
        )

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(len(self)):
            yield self[index]

    def time(self, index: int) -> float:
        """When a frame is shown, in seconds from the first one."""
        return float((int(self._times[index]) - int(self._times[0])) * self._stream.time_base)

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    def check(self) -> None:
        """Decode everything once.

        Raises:
            InputError: if what is decoded is not what the packets promise.
        """
        self._seek(None)
        decoded = []
        try:
            decoded.extend(frame.pts for frame in self._decoder)
        except av.FFmpegError as error:
            raise self._broken(len(decoded), error) from error
        finally:
            self._decoder = self._position = None
        if decoded != self._times.tolist():
            raise InputError(
                f"The video {self._path} announces {len(self)} frames, and the {len(decoded)} "
                "decoded ones have other time stamps: it cannot be read in place, extract it."
            )

    def _open(self) -> None:
        self._container, self._stream = _open(str(self._path))

    def _seek(self, time: int | None) -> None:
        """Continue at the key frame of a time stamp; None for the start of the file."""
        self._position = None
        if time is None:
            self._container.close()
            self._open()
        else:
            self._container.seek(time, stream=self._stream, backward=True)
        self._decoder = self._container.decode(self._stream)

    def _decode_until(self, goal: int) -> np.ndarray | None:
        """The frame of a time stamp; None if decoding comes to a later one, or to the end."""
        try:
            for frame in self._decoder:
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
            f"The video {self._path} cannot be decoded at frame {index} ({error}): bring it anew."
        )


def _open(path: str) -> tuple[InputContainer, VideoStream]:
    try:
        container = av.open(path, options=OPENING)
        stream = container.streams.video[0]
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"The file {path} is no video that FFmpeg can read.") from error
    stream.codec_context.thread_count = 1  # loader workers are the parallelism
    return container, stream


def _missing(path: str | Path, announced: int, whole: int) -> str:
    """What a file lacks of the frames or of the bytes that it announces."""
    if whole < announced:
        return f"{announced - whole} of its {announced} frames are missing or broken"
    missing = missing_bytes(path)
    return f"at least {missing} bytes are missing" if missing else ""


@functools.lru_cache(maxsize=1024)
def _read_index(path: str, modified: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Time stamps of all frames and of the key frames, sorted, and the number of whole packets.

    Packets are read, not decoded.
    """
    container, stream = _open(path)
    try:
        with container:
            packets = [
                (each.pts, each.is_keyframe, each.is_discard, each.is_corrupt)
                for each in container.demux(stream)
                if each.size
            ]
    except av.FFmpegError as error:
        raise InputError(f"The video {path} is broken ({error}): bring it anew.") from error
    shown = [(time, is_key) for time, is_key, is_discarded, _ in packets if not is_discarded]
    if not shown:
        raise InputError(f"The video {path} has no frames: bring it anew.")
    if any(time is None for time, _ in shown):
        raise NoTimeStamps(
            f"The frames of the video {path} have no time stamps, so that none can be found by its "
            "number: put it into another container (ffmpeg -i IN -c copy OUT.mp4)."
        )
    times = np.sort([time for time, _ in shown])
    whole = sum(not is_corrupt for *_, is_corrupt in packets)
    return times, np.sort([time for time, is_key in shown if is_key]), whole


def upright(frame: av.VideoFrame) -> np.ndarray:
    """The picture as players show it: telephones note how they were held."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90))
