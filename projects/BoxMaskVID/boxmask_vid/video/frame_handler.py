"""Handler with which Detectron2 opens frames of video files like images.

``videoframe://clips/a.mp4#12`` is frame 12 of ``clips/a.mp4``: everything that reads images through
Detectron2's ``PathManager`` (``read_image``, mappers, visualisers) reads it.
"""

from __future__ import annotations

import functools
import gc
import io
import os
import threading
from collections.abc import Callable
from typing import IO, Any

import cv2
from detectron2.utils.file_io import PathManager
from iopath.common.file_io import PathHandler

from ..data.video_frame_names import PREFIX
from .video_file import VideoFile

OPEN_VIDEOS = 8  # per process


class VideoFrameHandler(PathHandler):
    """Opens such a name as an image file (PPM, which costs almost no encoding).

    An ``OSError`` says that the video or the frame does not exist, an ``InputError`` that it cannot
    be decoded. Threads read one after another.
    """

    def _get_supported_prefixes(self) -> list[str]:
        return [PREFIX]

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO[bytes]:
        if mode != "rb":
            raise ValueError(f"{path} can only be opened with mode 'rb', not '{mode}'")
        video, _, number = path.removeprefix(PREFIX).rpartition("#")
        try:
            with _reading:
                frame = _open_video(video)[int(number)]
        except IndexError as error:
            raise OSError(str(error)) from error
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        height, width, _ = rgb.shape
        return io.BytesIO(b"P6 %d %d 255\n" % (width, height) + rgb.tobytes())


_new_cache = functools.lru_cache(maxsize=OPEN_VIDEOS)
_open_video = _new_cache(VideoFile)
_reading = threading.Lock()
_of_parents: list[Callable[[str], VideoFile]] = []


def _replace_cache() -> None:
    """Leave the parent's files alone in a forked process: the position in them is the parent's.

    They are neither closed nor, as all is frozen before the fork, collected as garbage: FFmpeg
    would wait for threads that were not forked.
    """
    global _open_video, _reading
    _of_parents.append(_open_video)
    _open_video, _reading = _new_cache(VideoFile), threading.Lock()


os.register_at_fork(before=gc.freeze, after_in_parent=gc.unfreeze, after_in_child=_replace_cache)
PathManager.register_handler(VideoFrameHandler())
