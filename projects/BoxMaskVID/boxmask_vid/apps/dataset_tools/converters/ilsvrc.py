"""ILSVRC layout, shared by ImageNet VID and DET: lists, annotations in XML, classes."""

from __future__ import annotations

import argparse
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from ....data.datasets.imagenet_vid_categories import WORDNET_ID_TO_NAME
from ....errors import InputError

# Pixels added to xmax - xmin and ymax - ymin. Corners in the XML are the first and last pixel of an
# object, so boxes of rule "inclusive" have its true size; published COCO-style AP was measured with
# "short" boxes.
BOX_RULES = {"inclusive": 1, "short": 0}

LONGEST_NAME = 255  # characters that a name in a list may have


@dataclass(frozen=True)
class XmlFrame:
    """Content of an XML file; objects are {track, name, bbox, occluded, generated}."""

    size: tuple[int, int]  # width, height
    objects: list[dict]


def argument_parser(description: str) -> argparse.ArgumentParser:
    """Command line of the converters of such a tree."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("root", type=Path, help="folder with Data, Annotations and ImageSets")
    parser.add_argument("--output", type=Path, required=True, help="folder for the JSON")
    parser.add_argument(
        "--box-rule",
        choices=list(BOX_RULES),
        default="inclusive",
        help="inclusive: width = xmax - xmin + 1; short: xmax - xmin, as published COCO-style AP",
    )
    return parser


def check_tree(root: Path) -> None:
    """Check that a folder has the layout.

    Raises:
        FileNotFoundError: if there is no such folder.
        InputError: if it does not have the layout.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Folder {root} not found: give the root of the ILSVRC tree.")
    missing = [name for name in ("Data", "Annotations") if not (root / name).is_dir()]
    if missing:
        raise InputError(
            f"{root} has no folder '{missing[0]}': give the root of the ILSVRC tree (the folder "
            "with Data, Annotations and ImageSets)."
        )


def categories(root: Path) -> list[dict]:
    """Category records with ids from 1; from the devkit if the tree has one."""
    path = root / "devkit/data/map_vid.txt"
    names = WORDNET_ID_TO_NAME
    if path.is_file():
        rows = [row.split() for row in read_lines(path) if row.strip()]
        if any(len(row) != 3 or not row[1].isdigit() for row in rows):
            raise InputError(f"{path}: every row must be '<WordNet id> <number> <name>'.")
        names = {row[0]: row[2] for row in sorted(rows, key=lambda row: int(row[1]))}
    return [
        {"id": index, "name": name, "encode_name": wordnet_id}
        for index, (wordnet_id, name) in enumerate(names.items(), start=1)
    ]


def list_file(root: Path, kind: str, name: str) -> Path | None:
    """Find a list in ``ImageSets``; some releases have it in a folder ``VID`` or ``DET``."""
    places = [root / "ImageSets" / name, root / "ImageSets" / kind / name]
    return next((path for path in places if path.is_file()), None)


def read_rows(path: Path, columns: int) -> list[tuple[int, list[str]]]:
    """Read the numbered rows of a list: a name and ``columns`` - 1 whole numbers.

    Raises:
        InputError: if a row is anything else, or the list is empty.
    """
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        row = line.split()
        if not row:
            continue
        numbers = all(re.fullmatch("[0-9]{1,12}", field) for field in row[1:])
        if len(row) != columns or not numbers or len(row[0]) > LONGEST_NAME or "\0" in row[0]:
            raise InputError(
                f"{path}, row {number}: '{line.strip()[:80]}' is not a name and {columns - 1} "
                "numbers: give the list of that name, or remove it to have it derived."
            )
        rows.append((number, row))
    if not rows:
        raise InputError(f"{path} is empty: download it again, or remove it to have it derived.")
    return rows


def another_list(path: Path, number: int, row: list[str], form: str) -> InputError:
    """Build the error for a list whose rows do not have a form."""
    return InputError(
        f"{path}, row {number}: '{' '.join(row)}' is not '{form}': it is another list; give the "
        "right one, or remove it to have it derived."
    )


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file.

    Raises:
        InputError: if the file is not text.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text ({error}): download it again.") from error


def read_xml(path: Path, added: int) -> XmlFrame:
    """Read an annotation of ILSVRC.

    Args:
        path: XML file.
        added: a value of :data:`BOX_RULES`.

    Raises:
        InputError: if the file does not exist or is not such an annotation.
    """
    try:
        tree = ElementTree.parse(path).getroot()
        width, height = (_whole_number(tree, f"size/{side}") for side in ("width", "height"))
        if min(width, height) <= 0:
            raise ValueError(f"its size is {width} x {height}")
        return XmlFrame((width, height), [_object(node, added) for node in tree.iter("object")])
    except FileNotFoundError as error:
        raise InputError(f"Annotation {path} not found: download it again.") from error
    except (ElementTree.ParseError, TypeError, ValueError, LookupError) as error:
        raise InputError(
            f"{path} is not an annotation of ILSVRC ({error}): download it again."
        ) from error


def _whole_number(node: ElementTree.Element, path: str) -> int:
    text = node.findtext(path)
    if text is None:
        raise ValueError(f"it has no <{path}>")
    return int(text)


def _object(node: ElementTree.Element, added: int) -> dict:
    corners = ("xmin", "ymin", "xmax", "ymax")
    x1, y1, x2, y2 = (_whole_number(node, f"bndbox/{corner}") for corner in corners)
    if x2 < x1 or y2 < y1:
        raise ValueError(f"an object's corners are {x1}, {y1} and {x2}, {y2}")
    if node.findtext("name") is None:
        raise ValueError("an object has no name")
    return {
        "track": node.findtext("trackid"),
        "name": node.findtext("name"),
        "bbox": [x1, y1, x2 - x1 + added, y2 - y1 + added],
        "occluded": int(node.findtext("occluded", "0")),
        "generated": int(node.findtext("generated", "0")),
    }
