"""Reader of Pascal VOC XML, a folder per video."""

from __future__ import annotations

from pathlib import Path

from ....errors import InputError
from .labels import LabelledBox, Labels, number, parse_xml, read_folder, subfolders


def read_voc(source: Path) -> Labels:
    """Read Pascal VOC XML.

    Corners are the first and the last pixel, counted from 1; objects that are ``difficult`` are
    ignored in scoring.

    Args:
        source: folder with ``<video>/<image>.xml``.
    """
    folders = subfolders(source, "*.xml")
    return Labels(
        [
            read_folder(folder.relative_to(source).as_posix(), folder, "*.xml", _boxes)
            for folder in folders
        ]
    )


def _boxes(path: Path) -> list[LabelledBox]:
    tree = parse_xml(path, "write it again")
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
        occluded = node.findtext("occluded")
        boxes.append(
            LabelledBox(
                *(path.stem, name, (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1), where),
                track=node.findtext("trackid") or node.findtext("track_id"),
                ignored=node.findtext("difficult", "0").strip() == "1",
                occluded=None if occluded is None else occluded.strip() == "1",
            )
        )
    return boxes
