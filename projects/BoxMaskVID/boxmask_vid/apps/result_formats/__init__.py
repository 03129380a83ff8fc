"""Formats of other tools in which the detections of videos are written.

One class for each format; :data:`FORMATS` has them by name. A new one is a file and a line here.
"""

from .detections import DetectionRecorder, VideoDetections, video_name
from .exports import EXPORT_HELP, FORMATS, Export, parse_exports, write_exports

__all__ = [
    "EXPORT_HELP",
    "FORMATS",
    "DetectionRecorder",
    "Export",
    "VideoDetections",
    "parse_exports",
    "video_name",
    "write_exports",
]
