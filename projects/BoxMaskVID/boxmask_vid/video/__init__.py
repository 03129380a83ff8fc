"""Reading and writing video."""

from . import frame_handler  # noqa: F401
from .frame_source import Frame, FrameSource
from .opening import without_password
from .source import comes_live, input_files, local_path, open_frames
from .video_file import DEFAULT_FPS, VideoFile
from .writer import VideoWriter

__all__ = [
    "DEFAULT_FPS",
    "Frame",
    "FrameSource",
    "VideoFile",
    "VideoWriter",
    "comes_live",
    "input_files",
    "local_path",
    "open_frames",
    "without_password",
]
