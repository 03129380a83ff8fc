"""Reading and writing video."""

from .source import FrameSource, open_frames
from .writer import VideoWriter

__all__ = ["FrameSource", "VideoWriter", "open_frames"]
