"""Cameras and network addresses, read in a thread of their own.

The thread notes when a frame comes, however long the model takes for the one before; and while a
camera is silent the main thread still answers Ctrl-C.
"""

from __future__ import annotations

import tempfile
import threading
import time
import urllib.request
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from http.client import HTTPException
from itertools import chain, tee
from typing import IO

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from ..errors import InputError
from .decoding import Orientation, TolerantDecoder
from .frame_source import Frame, FrameSource
from .opening import PLAYLISTS, open_container, reason_of_content, without_password
from .video_file import DEFAULT_FPS
from .video_sources import continued, seconds

LONGEST_OPENING, LONGEST_SILENCE = 10.0, 30.0  # seconds to wait for a stream
WAITING_BYTES, WAITING_FRAMES = 1 << 28, 32  # that wait for the model, at most
LONGEST_WAIT = 1.0  # seconds; Ctrl-C just before a wait is seen after it
LONGEST_END = 0.2  # seconds to wait for the thread at the end
HIGHEST_FPS = 1000  # of a stream with a known rate; others report their clock, 90,000
BLOCK = 1 << 16  # bytes of a download
RTSP = {"rtsp_transport": "tcp"}  # packets over UDP get lost
WITHOUT_END = {*PLAYLISTS, "mpjpeg"}  # formats whose size in bytes is not that of a video


class ThreadedSource(FrameSource):
    """Frames that a thread reads as they come; they can be read once.

    While more wait than fit, the oldest are dropped and counted, unless they are those of a file.
    """

    is_repeatable = False

    def __init__(self, *, fps: float | None) -> None:
        """
        Args:
            fps: frames per second; None for the times at which frames come.

        Raises:
            InputError: if the source does not answer.
        """
        self._given_fps = fps
        self.fps = fps or DEFAULT_FPS
        self.is_constant = fps is not None
        self.is_file = False
        self._waiting: deque[tuple[float, np.ndarray]] = deque()
        self._changed = threading.Condition()
        self._opened = self._wanted = self._ended = self._stopped = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._wait(lambda: self._opened or self._ended)
        if self._failure is not None:
            raise self._failure

    @abstractmethod
    def _pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        """Open the source, yield anything once, and then the time and the picture of each frame.

        Raises InputError at its end unless that is the end of a file.
        """

    def frames(self) -> Iterator[Frame]:
        if self._wanted:
            raise InputError("A camera or a stream can be read only once: open it again.")
        self._set("_wanted")
        number, first = 0, None
        try:
            while self._wait(lambda: self._waiting or self._ended):
                with self._changed:
                    if not self._waiting:
                        break
                    came, image = self._waiting.popleft()
                    self._changed.notify_all()
                first = came if first is None else first
                yield Frame(number, number / self.fps if self.is_constant else came - first, image)
                number += 1
        finally:
            self.close()
        if self._failure is not None:
            raise self._failure

    def pick(self, indices: Sequence[int]) -> list[np.ndarray]:
        raise InputError("Frames of a camera or a stream cannot be read again: use predict_stream.")

    def close(self) -> None:
        self._set("_stopped")
        self._thread.join(LONGEST_END)

    def _read(self) -> None:
        """Body of the thread."""
        try:
            pictures = self._pictures()
            next(pictures)
            self._set("_opened")
            self._wait(lambda: self._wanted or self._stopped)
            for picture in pictures:
                self._hand_over(picture)
                if self._stopped:
                    break
            pictures.close()  # type: ignore[attr-defined]
        except Exception as error:
            self._failure = error
        finally:
            self._set("_ended")

    def _hand_over(self, picture: tuple[float, np.ndarray]) -> None:
        most = max(1, min(WAITING_FRAMES, WAITING_BYTES // picture[1].nbytes))
        if self.is_file:
            self._wait(lambda: len(self._waiting) < most or self._stopped)
        with self._changed:
            while len(self._waiting) >= most:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(picture)
            self._changed.notify_all()

    def _set(self, flag: str) -> None:
        with self._changed:
            setattr(self, flag, True)
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], object]) -> object:
        with self._changed:
            while not (met := self._changed.wait_for(condition, LONGEST_WAIT)):
                pass
            return met


class CameraSource(ThreadedSource):
    """A camera of this machine; it does not end by itself."""

    def __init__(self, number: int, *, fps: float | None = None) -> None:
        """Raises InputError if it does not answer; see :class:`ThreadedSource`."""
        self._number = number
        super().__init__(fps=fps)

    def _pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        capture, count = cv2.VideoCapture(self._number), 0
        try:
            if not capture.isOpened():
                raise InputError(
                    f"The camera {self._number} does not answer: check that it exists and is not "
                    "in use."
                )
            yield 0.0, np.empty(0)
            while True:
                decoded, image = capture.read()
                if not decoded:
                    raise InputError(
                        f"The camera {self._number} ended after {count} frames: start it again."
                    )
                yield time.monotonic(), image
                count += 1
        finally:
            capture.release()


class StreamSource(ThreadedSource):
    """A network address: a video file, which has an end and times of its own, or a live stream."""

    def __init__(self, address: str, *, fps: float | None = None) -> None:
        """Raises InputError if it does not answer; see :class:`ThreadedSource`."""
        self._address, self._shown = address, without_password(address)
        self._orientation = Orientation()
        super().__init__(fps=fps)

    def _pictures(self) -> Iterator[tuple[float, np.ndarray]]:
        with tempfile.TemporaryFile() as copy:
            container, stream = self._open(copy)
            with container:
                decoder, count = TolerantDecoder(container, stream), 0
                arriving = ((time.monotonic(), frame) for frame in decoder)
                first = next(arriving, None)
                if first is not None:
                    self._describe(container, stream, first[1])
                    yield 0.0, np.empty(0)
                    frames = chain([first], arriving)
                    for came, frame in self._timed(frames, stream) if self.is_file else frames:
                        yield came, self._orientation.upright(frame)
                        count += 1
            self._say_how_it_ended(decoder, count)

    def _describe(
        self, container: InputContainer, stream: VideoStream, first: av.VideoFrame
    ) -> None:
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.pixel_aspect = 1 / aspect if self._orientation.is_on_its_side(first) else aspect
        has_size = container.size > 0 and container.format.name not in WITHOUT_END
        self.is_file = has_size or bool(container.duration and container.duration > 0)
        if self.is_file and first.pts is not None:
            self.has_clock, self.is_constant = True, False
        rate = float(stream.average_rate or 0)
        if not self._given_fps and 0 < rate <= HIGHEST_FPS:
            self.fps = rate

    def _timed(
        self, frames: Iterator[tuple[float, av.VideoFrame]], stream: VideoStream
    ) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames of a file with the times at which they are shown."""
        ours, theirs = tee(frame for _, frame in frames)
        stamps = (seconds(frame, stream) for frame in ours)
        return zip(continued(stamps, self.fps), theirs, strict=True)

    def _say_how_it_ended(self, decoder: TolerantDecoder, count: int) -> None:
        error = decoder.read_error
        if isinstance(error, av.ExitError):
            raise InputError(
                f"The stream {self._shown} has sent nothing for {LONGEST_SILENCE:.0f} seconds "
                f"after {count} frames: start it again."
            )
        if not self.is_file:
            raise InputError(
                f"The stream {self._shown} ended after {count} frames: start it again."
            )
        if decoder.errors:
            raise InputError(
                f"The video {self._shown} cannot be decoded in {decoder.errors} places "
                f"({decoder.last_error}): get it again."
            )

    def _open(self, copy: IO[bytes]) -> tuple[InputContainer, VideoStream]:
        try:
            timeout = LONGEST_OPENING, LONGEST_SILENCE
            return open_container(self._address, shown=self._shown, options=RTSP, timeout=timeout)
        except (av.HTTPClientError, av.HTTPServerError) as error:
            answer = str(error.strerror).removeprefix("Server returned ")
            raise InputError(
                f"The address {self._shown} answers '{answer}': check the address."
            ) from error
        except av.InvalidDataError as error:
            raise InputError(self._why_no_video(error)) from error
        except av.FFmpegError as error:
            # a server that cannot send a part of a file, where the index is at its end
            if self._address.startswith(("http://", "https://")) and self._download(copy):
                return open_container(copy, shown=self._shown)
            raise InputError(
                f"The stream {self._shown} does not answer ({error.strerror}): check that it "
                "exists and is not in use."
            ) from error

    def _why_no_video(self, error: av.FFmpegError) -> str:
        reason = ""
        if self._address.startswith(("http://", "https://")):
            try:
                with urllib.request.urlopen(self._address, timeout=LONGEST_OPENING) as answer:
                    start = answer.read(4096)
                reason = reason_of_content(start) if start else "it is empty (0 bytes)"
            except (OSError, ValueError, HTTPException):
                pass
        reason = reason or f"FFmpeg cannot read it ({error.strerror}); check the address"
        return f"The address {self._shown} does not lead to a video: {reason}."

    def _download(self, copy: IO[bytes]) -> bool:
        """Copy a file of a known length; False if there is none."""
        try:
            with urllib.request.urlopen(self._address, timeout=LONGEST_OPENING) as answer:
                length = int(answer.headers.get("Content-Length", 0))
                while not self._stopped and (block := answer.read(BLOCK)):
                    if not length:
                        return False
                    copy.write(block)
        except (OSError, ValueError, HTTPException):
            return False
        whole = 0 < length == copy.tell()
        copy.seek(0)
        return whole
