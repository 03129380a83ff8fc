"""Reading and writing video."""

from . import frame_handler  # noqa: F401
from .source import FrameSource, open_frames
from .video_file import DEFAULT_FPS, VideoFile
from .writer import VideoWriter

__all__ = ["DEFAULT_FPS", "FrameSource", "VideoFile", "VideoWriter", "open_frames"]
