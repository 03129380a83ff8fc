"""Reader of Pascal VOC XML, a folder per video."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from ....errors import InputError
from .labels import LabelledBox, Labels, VideoLabels, number, read_text, subfolders


def read_voc(source: Path) -> Labels:
    """Read Pascal VOC XML.

    Corners are the first and the last pixel, counted from 1; objects that are ``difficult`` are
    ignored in scoring.

    Args:
        source: folder with ``<video>/<image>.xml``.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if a file is not valid.
    """
    videos = []
    for folder in subfolders(source, "*.xml"):
        files = sorted(folder.glob("*.xml"))
        boxes = [box for file in files for box in _boxes(file)]
        labelled = frozenset(file.stem for file in files)
        videos.append(VideoLabels(folder.name, str(folder), boxes, labelled_frames=labelled))
    return Labels(videos)


def _boxes(path: Path) -> list[LabelledBox]:
    try:
        tree = ElementTree.fromstring(read_text(path))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not XML ({error}): write it again.") from error
    if tree.tag != "annotation":
        raise InputError(
            f"{path} is not Pascal VOC XML: its root is <{tree.tag}>, not <annotation>."
        )
    boxes = []
    for index, node in enumerate(tree.iter("object"), start=1):
        where = f"{path}, object {index}"
        name = node.findtext("name", "").strip()
        if not name:
            raise InputError(f"{where} has no <name>: add it.")
        x1, y1, x2, y2 = (
            number(node.findtext(f"bndbox/{tag}"), float, where, tag)
            for tag in ("xmin", "ymin", "xmax", "ymax")
        )
        track = node.findtext("trackid") or node.findtext("track_id")
        boxes.append(
            LabelledBox(
                *(path.stem, name, (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1), where),
                track=track,
                ignored=node.findtext("difficult", "0").strip() == "1",
                occluded=_flag(node.findtext("occluded")),
            )
        )
    return boxes


def _flag(text: str | None) -> bool | None:
    return None if text is None else text.strip() == "1"
