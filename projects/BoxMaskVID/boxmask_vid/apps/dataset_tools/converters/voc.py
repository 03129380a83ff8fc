"""Reader of Pascal VOC XML, as LabelImg, roLabelImg, Roboflow and CVAT write it."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from ....data.datasets.folders import walk_files
from ....errors import InputError
from .label_files import image_root, label_folders
from .labels import LabelledBox, Labels, number, parse_xml, whole_number
from .stated_names import stem_of

CORNERS = ("xmin", "ymin", "xmax", "ymax")
TURNED_BOX = ("cx", "cy", "w", "h", "angle")  # of roLabelImg, the angle in radians
CVAT_FILE = "labelmap.txt"
TURNED = "objects with {}, of which the box around them is used"


@dataclass(frozen=True)
class _Object:
    """An object as the file has it."""

    image: str
    node: ElementTree.Element
    where: str

    def corners(self) -> tuple[float, ...]:
        """Corners of its ``bndbox``, as they are counted in the file."""
        x1, y1, x2, y2 = (
            number(self.node.findtext(f"bndbox/{tag}"), float, self.where, tag) for tag in CORNERS
        )
        if x2 < x1 or y2 < y1:
            raise InputError(
                f"{self.where}: xmin {x1:g}, ymin {y1:g}, xmax {x2:g}, ymax {y2:g} are not the "
                "first and the last corner of a box: correct it."
            )
        return x1, y1, x2, y2

    @property
    def turned(self) -> str | None:
        """Name of the field that says that it is no upright box; None if it is one."""
        if not self.has_corners:
            return "polygon" if self.node.find("robndbox") is None else "robndbox"
        return "rotation" if self.rotation else None

    @property
    def rotation(self) -> float:
        """Degrees."""
        return number(self.attribute("rotation") or 0, float, self.where, "the rotation") % 360

    def attribute(self, wanted: str) -> str | None:
        """An attribute that CVAT writes; None without it."""
        for attribute in self.node.iterfind("attributes/attribute"):
            if attribute.findtext("name", "").strip() == wanted:
                return attribute.findtext("value")
        return None

    @property
    def has_corners(self) -> bool:
        """Whether it has a ``bndbox``, which is preferred to a polygon."""
        return self.node.find("robndbox") is None and (
            self.node.find("polygon") is None or self.node.find("bndbox") is not None
        )

    def box(self, first: int) -> tuple[float, float, float, float]:
        """x, y, width and height, pixels from 0; ``first`` is the number of the first pixel."""
        if self.node.find("robndbox") is not None:
            x, y, w, h, angle = (
                number(self.node.findtext(f"robndbox/{tag}"), float, self.where, tag)
                for tag in TURNED_BOX
            )
            return _box_around(x, y, w, h, angle)
        if not self.has_corners:
            return self._around_polygon()
        x1, y1, x2, y2 = self.corners()
        left, top = x1 - first, y1 - first  # the last pixel belongs to the box if they count from 1
        if self.rotation:
            w, h = x2 - left, y2 - top
            return _box_around(left + w / 2, top + h / 2, w, h, math.radians(self.rotation))
        return left, top, x2 - left, y2 - top

    def _around_polygon(self) -> tuple[float, float, float, float]:
        """Box around points ``x1``, ``y1``, ``x2``, ..."""
        sides: dict[str, list[float]] = {"x": [], "y": []}
        for point in self.node.iterfind("polygon/*"):
            if point.tag[:1] in sides:
                sides[point.tag[0]].append(number(point.text, float, self.where, point.tag))
        xs, ys = sides.values()
        if len(xs) < 3 or len(xs) != len(ys):
            raise InputError(f"{self.where}: its polygon is not x1, y1, x2, y2, ...: correct it.")
        return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def read_voc(source: Path, *, corners_from: int | None = None) -> Labels:
    """Read Pascal VOC XML.

    Corners that count from 1 are the first and the last pixel of a box; corners that count from 0
    are its edges. Objects that are ``difficult`` are ignored in scoring.

    Args:
        source: folder with ``<image>.xml`` at any depth.
        corners_from: number of the first pixel, 0 or 1; None to take 0 if the files show that they
            count from it.
    """
    folders = label_folders(source, ".xml")
    trees = {file: _tree(file) for folder in folders for file in folder.files}
    for folder in folders:
        _check_file_names({file: trees[file] for file in folder.files})
    objects = {file: list(_objects(file, tree)) for file, tree in trees.items()}
    every = [node for of_file in objects.values() for node in of_file]
    notes = []
    if corners_from is None:
        corners_from, note = _first_pixel(source, every)
        notes.append(note)
    turned = Counter(node.turned for node in every if node.turned)
    notes += [f"{count} {TURNED.format(what)}" for what, count in turned.items()]
    videos = []
    for folder in folders:
        boxes = [_box(node, corners_from) for file in folder.files for node in objects[file]]
        sizes: dict[int | str, tuple[int, int]] = {
            file.stem: size for file in folder.files if (size := _size(file, trees[file]))
        }
        stated: dict[int | str, str] = {
            file.stem: name
            for file in folder.files
            if (name := stem_of(trees[file].findtext("filename", "")))
        }
        videos.append(folder.video(boxes, sizes=sizes, stated_names=stated))
    return Labels(videos, notes=notes, root=image_root(source))


def _tree(path: Path) -> ElementTree.Element:
    tree = parse_xml(path, "write it again")
    if tree.tag != "annotation":
        other = " (--from cvat reads CVAT's own XML)" if tree.tag == "annotations" else ""
        raise InputError(
            f"{path} is not Pascal VOC XML: its root is <{tree.tag}>, not <annotation>{other}."
        )
    return tree


def _check_file_names(trees: dict[Path, ElementTree.Element]) -> None:
    """No file says that it is of the image that another one is named after.

    A file is of the image of its own name; ``<filename>`` often is what the image was called once.
    """
    files = {file.stem: file for file in trees}
    for file, tree in trees.items():
        stem = PureWindowsPath(tree.findtext("filename", "")).stem  # also of / and of no folder
        if stem != file.stem and stem in files:
            raise InputError(
                f"{file} says that it is of the image {stem} (<filename>), as {files[stem].name} "
                "does by its name: name each file after its image, or correct <filename>."
            )


def _objects(path: Path, tree: ElementTree.Element) -> Iterator[_Object]:
    for index, node in enumerate(tree.iter("object"), start=1):
        yield _Object(path.stem, node, f"{path}, object {index}")


def _size(path: Path, tree: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height of the image as the file states them; None if it does not."""
    if tree.find("size") is None:
        return None
    width, height = (
        whole_number(tree.findtext(f"size/{side}", "0"), str(path), f"the {side} of the image")
        for side in ("width", "height")
    )
    return (width, height) if min(width, height) > 0 else None


def _first_pixel(source: Path, objects: Sequence[_Object]) -> tuple[int, str]:
    """Find whether corners count from 0 or 1, and say how that is known."""
    upright = [node for node in objects if node.has_corners]
    zero = next((node for node in upright if any(0 <= x < 1 for x in node.corners()[:2])), None)
    if zero is not None:
        return 0, (
            f"corners count from 0, as {zero.where} shows, so a box is xmax - xmin wide "
            "(--corners-from 1 if they do not)"
        )
    above = source.resolve().parent / CVAT_FILE  # where the source is its folder Annotations
    if above.is_file() or any(path.name == CVAT_FILE for path in walk_files(source)):
        return (
            0,
            f"corners count from 0, as CVAT writes them ({CVAT_FILE}; --corners-from 1 if not)",
        )
    texts = [node.node.findtext(f"bndbox/{tag}", "") for node in upright for tag in CORNERS]
    if texts and all("." in text for text in texts):
        return 0, (
            "corners count from 0, as CVAT writes them with decimals (--corners-from 1 if they do "
            "not)"
        )
    return 1, (
        "corners count from 1, as those of Pascal VOC do, so a box is xmax - xmin + 1 wide "
        "(--corners-from 0 for a tool that counts from 0; no corner is 0)"
    )


def _box(node: _Object, first: int) -> LabelledBox:
    name = node.node.findtext("name", "").strip()
    if not name:
        raise InputError(f"{node.where} has no <name>: add it.")
    occluded = node.node.findtext("occluded")
    texts = (node.node.findtext("trackid"), node.node.findtext("track_id"))
    track = next(filter(None, texts), None) or node.attribute("track_id")
    return LabelledBox(
        *(node.image, name, node.box(first), node.where),
        track=track,
        ignored=node.node.findtext("difficult", "0").strip() == "1",
        occluded=None if occluded is None else occluded.strip() == "1",
    )


def _box_around(
    x: float, y: float, w: float, h: float, angle: float
) -> tuple[float, float, float, float]:
    """Box around a box with centre x, y that is turned by an angle in radians."""
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    width, height = w * cos + h * sin, w * sin + h * cos
    return x - width / 2, y - height / 2, width, height
