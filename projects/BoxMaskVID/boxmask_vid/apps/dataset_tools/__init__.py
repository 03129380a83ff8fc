"""Converters, checks and synthetic videos."""

from .contact_sheet import write_contact_sheet
from .synthetic import Scene, render_video

__all__ = ["Scene", "render_video", "write_contact_sheet"]
