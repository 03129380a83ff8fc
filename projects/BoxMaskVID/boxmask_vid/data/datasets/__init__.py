"""Data sets: COCO-VID JSON and the built-in names."""

from . import builtin  # noqa: F401
from .vid_json import class_names, load_vid_json, register_vid_instances, video_index

__all__ = ["class_names", "load_vid_json", "register_vid_instances", "video_index"]
