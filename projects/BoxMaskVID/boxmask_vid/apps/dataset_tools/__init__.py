"""Converters, checks and synthetic videos."""

from .contact_sheet import write_contact_sheet
from .converters.coco_vid import CocoVidBuilder
from .converters.imagenet_vid import key_frames
from .synthetic import Scene, render_video

__all__ = ["CocoVidBuilder", "Scene", "key_frames", "render_video", "write_contact_sheet"]
