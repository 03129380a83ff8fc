"""Names of frames of video files, which Detectron2 opens like those of images.

``videoframe://clips/a.mp4#12`` is frame 12 of ``clips/a.mp4``;
:class:`~boxmask_vid.video.frame_handler.VideoFrameHandler` opens it.
"""

from __future__ import annotations

import os

PREFIX = "videoframe://"


def video_frame_name(video: str, frame_index: int) -> str:
    """Name of a frame, numbered from 0, of a video file."""
    return f"{PREFIX}{video}#{frame_index}"


def join_root(root: str, file_name: str) -> str:
    """Join like ``os.path.join`` names of images and of frames of video files."""
    if file_name.startswith(PREFIX):
        return PREFIX + os.path.join(root, file_name.removeprefix(PREFIX))
    return os.path.join(root, file_name)
