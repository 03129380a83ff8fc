"""Video files as sources of frames."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import tee
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

from ..errors import InputError
from .container_length import second_matroska, second_start, torn_matroska
from .decoding import Orientation, TolerantDecoder
from .frame_source import Frame, FrameSource
from .opening import open_file, other_videos
from .video_file import DEFAULT_FPS, VideoFile

logger = logging.getLogger(__name__)

MOST_JUMPS = 0.1  # of all intervals, where the rate is constant
SAME_TIME = 2e-3  # seconds; containers round times to milliseconds


class VideoFileSource(FrameSource):
    """A video file, upright, with exact numbers and times of its frames."""

    has_clock = True

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, InputError, NotSeekable as VideoFile does."""
        self._path, self.paths = path, [path]
        with VideoFile(path) as video:
            self.fps, self.length = video.fps, len(video)
            self.pixel_aspect = video.pixel_aspect
            self._times = [video.time(index) for index in range(len(video))]
            if video.missing:
                self.fault = f"The video {path} is cut off: {video.missing}; get it again."
            if video.hidden and not video.missing:
                warn_of_start(path, video.hidden)
        warn_of_others(path)
        _warn_of_jumps(path, self._times)
        self.is_constant = _is_constant(self._times, self.fps)

    def frames(self) -> Iterator[Frame]:
        assert self.length is not None
        count, first_lost = 0, self.length
        with VideoFile(self._path) as video:
            for number, image in video.frames():
                if number > count and first_lost == self.length:
                    first_lost = count
                yield Frame(number, self._times[number], image)
                count += 1
        lost = self.length - count
        if lost:
            first = min(first_lost, count)
            raise InputError(
                f"{lost} of the {self.length} frames of the video {self._path} cannot be decoded "
                f"(the first is frame {first}): get it again.{f' {self.fault}' * bool(self.fault)}"
            )
        if video.damages:
            raise InputError(
                f"The video {self._path} is damaged in {video.damages} places, where frames may be "
                f"wrong or missing: get it again.{f' {self.fault}' * bool(self.fault)}"
            )
        if self.fault:
            raise InputError(self.fault)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        return list(map(self._nearest, indices))

    @functools.cached_property
    def _nearest(self) -> Callable[[int], np.ndarray]:
        """Frames of a file that stays open: where references slide, each follows the last one."""
        return functools.lru_cache(maxsize=1)(VideoFile(self._path).nearest)


class SequentialVideoSource(FrameSource):
    """A video file whose frames are counted by decoding it from its start.

    Their time stamps are missing (raw H.264) or start again (joined recordings).
    """

    def __init__(self, path: Path, *, fps: float | None = None, has_times: bool = True) -> None:
        """
        Args:
            path: the file.
            fps: frames per second if it has no time stamps; None for what the file says.
            has_times: whether its time stamps, where it has any, are those of the frames; otherwise
                these follow one another at the rate that the file says.
        """
        self._path, self._has_times, self.paths = path, has_times, [path]
        self._orientation = Orientation()
        container, stream = open_file(str(path))
        self.fps = float(stream.average_rate or DEFAULT_FPS)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        decoder, errors_before = TolerantDecoder(container, stream), 0
        times: list[float | None] = []
        with container:
            torn_at = torn_matroska(path)
            # joined Matroska files declare nonsense
            declared = 0 if torn_at or second_matroska(path) else stream.frames
            for frame in decoder:
                if not times:
                    hidden, errors_before = decoder.before_key, decoder.errors
                    self.has_clock = frame.pts is not None
                    self.pixel_aspect = (
                        1 / aspect if self._orientation.is_on_its_side(frame) else aspect
                    )
                times.append(self._time(frame, stream))
        if not times:
            raise InputError(f"The video {path} has no frame that can be decoded: get it again.")
        self.length = len(times)
        if fps and not self.has_clock:
            self.fps = fps
        if hidden and not torn_at:
            warn_of_start(path, hidden)
        warn_of_others(path)
        missing = declared - hidden - len(times) - decoder.repeats
        if torn_at:
            self.fault = (
                f"The video {path} is cut off: at byte {torn_at} another one begins; get it again."
            )
        elif missing > 0:
            self.fault = (
                f"{missing} of the {declared} frames of the video {path} are missing or "
                "broken: get it again."
            )
        elif decoder.errors > errors_before:
            self.fault = (
                f"{decoder.errors - errors_before} frames of the video {path} cannot be decoded "
                f"({decoder.last_error}): get it again."
            )
        self.is_constant = _is_constant(list(continued(times, self.fps)), self.fps)

    def frames(self) -> Iterator[Frame]:
        for number, (time, frame) in enumerate(self._decode()):
            yield Frame(number, time, self._orientation.upright(frame))
        if self.fault:
            raise InputError(self.fault)

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        wanted = set(indices)
        frames = enumerate(self._decode())
        images = {
            number: self._orientation.upright(frame)
            for number, (_, frame) in frames
            if number in wanted
        }
        return [images[index] for index in indices]

    def _decode(self) -> Iterator[tuple[float, av.VideoFrame]]:
        container, stream = open_file(str(self._path))
        with container:
            for_times, for_frames = tee(TolerantDecoder(container, stream))
            stamps = (self._time(frame, stream) for frame in for_times)
            yield from zip(continued(stamps, self.fps), for_frames, strict=True)

    def _time(self, frame: av.VideoFrame, stream: VideoStream) -> float | None:
        return seconds(frame, stream) if self._has_times else None


def continued(stamps: Iterable[float | None], fps: float) -> Iterator[float]:
    """Times that grow from 0, of time stamps in seconds that may be missing or start again.

    A frame whose time stamp does not follow the one before is shown one interval after it.
    """
    last: float | None = None
    offset = 0.0
    for stamp in stamps:
        time = None if stamp is None else stamp + offset
        if last is None:
            time = 0.0
        elif time is None or time <= last:
            time = last + 1 / fps
        if stamp is not None:
            offset = time - stamp
        yield time
        last = time


def warn_of_start(path: Path, hidden: int) -> None:
    """Say that a recording begins between key frames."""
    logger.warning(
        f"The video {path} begins between key frames: {hidden} frames before the first key frame "
        "cannot be decoded and are left out."
    )


def warn_of_others(path: Path) -> None:
    """Say that a file has another video, beside this one or, where its container shows it, behind.

    Cameras in cars write what is before and what is behind the car into one file.
    """
    container, stream = open_file(str(path))
    with container:
        count, size = other_videos(container, stream), f"{stream.width} x {stream.height}"
    if count:
        logger.warning(
            f"The video {path} has {count + 1} videos side by side, of which the one that players "
            f"show is read, of {size} pixels: write the others into "
            "files of their own (ffmpeg -i IN -map 0:v:1 -c copy OUT.mp4)."
        )
    start = second_start(path)
    if start is not None and not _is_read_from(path, start):
        logger.warning(
            f"The video {path} has another one in it, from byte {start} on, which is not read, as "
            "players do not show it: join the original files with FFmpeg, or give them one by one."
        )


def _is_read_from(path: Path, start: int) -> bool:
    """Whether FFmpeg reads packets from a byte on."""
    container, stream = open_file(str(path))
    with container:
        packets = TolerantDecoder(container, stream).packets()
        return any((packet.pos or 0) >= start for packet in packets)


def seconds(frame: av.VideoFrame, stream: VideoStream) -> float | None:
    """Time stamp of a frame; frames at the end of a stream do not know their unit."""
    if frame.pts is None or stream.time_base is None:
        return None
    return float(frame.pts * stream.time_base)


def _warn_of_jumps(path: Path, times: Sequence[float]) -> None:
    """Say where single frames seem to be missing in a video of an otherwise constant rate."""
    intervals = np.diff(times)
    usual = np.median(intervals) if len(intervals) else 0
    jumps = np.flatnonzero(intervals > 1.8 * usual)
    others = np.delete(intervals, jumps)
    is_constant = bool((np.abs(others - usual) < SAME_TIME).all())
    if is_constant and 0 < len(jumps) <= MOST_JUMPS * len(intervals):
        logger.warning(
            f"The times of the video {path} jump in {len(jumps)} places, the first behind "
            f"frame {jumps[0]} ({intervals[jumps[0]]:.3f} in place of {usual:.3f} seconds): frames "
            "may be missing there."
        )


def _is_constant(times: Sequence[float], fps: float) -> bool:
    return bool(np.abs(np.arange(len(times)) / fps - times).max() < SAME_TIME)
