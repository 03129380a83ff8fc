"""Reading and writing video."""

from . import frame_handler  # noqa: F401
from .frame_source import Frame, FrameSource
from .source import comes_live, input_files, local_path, open_frames
from .video_file import VideoFile
from .writer import VideoWriter

__all__ = [
    "Frame",
    "FrameSource",
    "VideoFile",
    "VideoWriter",
    "comes_live",
    "input_files",
    "local_path",
    "open_frames",
]
