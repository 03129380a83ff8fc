"""CVAT's XML, "CVAT for video 1.1"."""

from __future__ import annotations

from collections.abc import Sequence
from io import TextIOBase
from pathlib import Path
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

from ...files import written_whole
from .detections import VideoDetections
from .result_format import ResultFormat, only_video

CORNERS = ("xtl", "ytl", "xbr", "ybr")
SCORE = "score"  # name of the attribute


class CVATVideo(ResultFormat):
    """One XML file for each video; frames and pixels count from 0.

    Every box is a key frame, and after each run of them a box says that the object is outside: CVAT
    interpolates nothing. A detection without track is a track of one frame.
    """

    name = "cvat"
    suffix = ".xml"

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        video = only_video(videos)
        with written_whole(path) as unfinished, open(unfinished, "w", encoding="utf-8") as file:
            xml = _Writer(file)
            xml.startDocument()
            xml.open("annotations")
            xml.leaf("version", 1.1)
            _write_task(xml, video)
            for number, rows in enumerate(video.objects()):
                _write_track(xml, number, video, rows)
            xml.close("annotations")
            xml.endDocument()


class _Writer(XMLGenerator):
    def __init__(self, file: TextIOBase) -> None:
        super().__init__(file, "utf-8", short_empty_elements=True)

    def open(self, tag: str, **attributes: object) -> None:
        values = {name: str(value) for name, value in attributes.items()}
        self.startElement(tag, AttributesImpl(values))

    def close(self, tag: str) -> None:
        self.endElement(tag)
        self.ignorableWhitespace("\n")

    def leaf(self, tag: str, text: object = "", **attributes: object) -> None:
        self.open(tag, **attributes)
        self.characters(str(text))
        self.close(tag)


def _write_task(xml: _Writer, video: VideoDetections) -> None:
    xml.open("meta")
    xml.open("task")
    xml.leaf("name", video.name)
    xml.leaf("size", video.length)
    xml.leaf("mode", "interpolation")
    xml.leaf("start_frame", 0)
    xml.leaf("stop_frame", max(video.length - 1, 0))
    xml.open("labels")
    for name in video.class_names:
        xml.open("label")
        xml.leaf("name", name)
        xml.open("attributes")
        xml.open("attribute")
        for tag, text in (("name", SCORE), ("mutable", True), ("input_type", "text")):
            xml.leaf(tag, text)
        xml.leaf("default_value")
        xml.leaf("values")
        for tag in ("attribute", "attributes", "label"):
            xml.close(tag)
    xml.close("labels")
    if video.size:
        xml.open("original_size")
        for side, pixels in zip(("width", "height"), video.size, strict=True):
            xml.leaf(side, pixels)
        xml.close("original_size")
    if video.video_file:
        xml.leaf("source", video.video_file)
    xml.close("task")
    xml.close("meta")


def _write_track(xml: _Writer, number: int, video: VideoDetections, rows: np.ndarray) -> None:
    xml.open("track", id=number, label=video.class_names[video.classes[rows[0]]], source="auto")
    frames = video.frames[rows].tolist()
    for row, frame, following in zip(rows, frames, [*frames[1:], None], strict=True):
        _write_box(xml, video, row, frame)
        if frame + 1 not in (following, video.length):
            _write_box(xml, video, row, frame + 1, is_outside=True)
    xml.close("track")


def _write_box(
    xml: _Writer, video: VideoDetections, row: int, frame: int, *, is_outside: bool = False
) -> None:
    corners = dict(zip(CORNERS, video.boxes[row].tolist(), strict=True))
    flags = {"keyframe": 1, "outside": int(is_outside), "occluded": 0, "z_order": 0}
    xml.open("box", frame=frame, **flags, **corners)
    xml.leaf("attribute", float(video.scores[row]), name=SCORE)
    xml.close("box")
