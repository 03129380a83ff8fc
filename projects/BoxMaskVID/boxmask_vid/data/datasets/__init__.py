"""Data sets: COCO-VID JSON and the built-in names."""

from . import builtin  # noqa: F401
from .registration import (
    class_names,
    is_of_videos,
    load_vid_json,
    register_vid_instances,
    video_index,
)

__all__ = ["class_names", "is_of_videos", "load_vid_json", "register_vid_instances", "video_index"]
