"""Shapes of CVAT, the boxes around them, and those between two of a track."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ....errors import InputError
from .labels import number

NUMBERS = {
    "box": ("xtl", "ytl", "xbr", "ybr"),
    "ellipse": ("cx", "cy", "rx", "ry"),
    "mask": ("left", "top", "width", "height"),
}
SHAPES = (*NUMBERS, "polygon")
LEFT_OUT = {  # they are no boxes; in words
    "polyline": "polylines",
    "points": "points",
    "cuboid": "cuboids",
    "skeleton": "skeletons",
    "tag": "tags",
}
DECIMALS = 3  # of a box around a turned shape; CVAT writes two

Box = tuple[float, float, float, float]  # x, y, width, height


@dataclass(frozen=True)
class Shape:
    """A rectangle, an ellipse, a polygon or a mask."""

    kind: str  # one of SHAPES
    values: np.ndarray  # those of NUMBERS, in pixels; (N, 2) points of a polygon
    rotation: float = 0.0  # in degrees, clockwise around the centre; of rectangles and ellipses

    def box(self) -> Box:
        """Box around the shape as it is drawn, rotation included."""
        if self.kind == "mask":
            left, top, width, height = map(float, self.values)
            return left, top, width, height
        if self.kind == "polygon":
            (x1, y1), (x2, y2) = self.values.min(axis=0), self.values.max(axis=0)
        elif self.kind == "ellipse":
            x, y, rx, ry = self.values
            x1, y1, x2, y2 = x - rx, y - ry, x + rx, y + ry
        else:
            x1, y1, x2, y2 = self.values
        bbox = float(x1), float(y1), float(x2 - x1), float(y2 - y1)
        return self._turned(bbox) if self.rotation % 360 else bbox

    def _turned(self, bbox: Box) -> Box:
        x, y, w, h = bbox
        angle = math.radians(self.rotation)
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        if self.kind == "ellipse":
            width, height = math.hypot(w * cos, h * sin), math.hypot(w * sin, h * cos)
        else:
            width, height = w * cos + h * sin, w * sin + h * cos
        turned = x + (w - width) / 2, y + (h - height) / 2, width, height
        x, y, w, h = (round(side, DECIMALS) for side in turned)
        return x, y, w, h

    def can_become(self, other: Shape) -> bool:
        """Whether the shapes between this one and another are known."""
        return self.kind == other.kind != "mask" and self.values.shape == other.values.shape

    def towards(self, other: Shape, share: float) -> Shape:
        """Shape at a share of the way to another one; an angle changes the shorter way round."""
        turn = (other.rotation - self.rotation + 180) % 360 - 180
        values = self.values + (other.values - self.values) * share
        return Shape(self.kind, values, self.rotation + turn * share)


def shapes_of(node: ElementTree.Element, left_out: Counter[str]) -> Iterator[ElementTree.Element]:
    """Shapes of a track or an image that have a box; ``left_out`` counts the others by kind."""
    for child in node:
        if child.tag in SHAPES:
            yield child
        elif not _is_outside(child) and child.tag != "attribute":
            left_out[LEFT_OUT.get(child.tag, f"shapes <{child.tag}>")] += 1


def _is_outside(node: ElementTree.Element) -> bool:
    """Whether a shape, or each point of a skeleton, is not seen."""
    points = node.findall("points")
    return node.get("outside") == "1" or (
        bool(points) and all(point.get("outside") == "1" for point in points)
    )


def read_shape(node: ElementTree.Element, where: str) -> Shape:
    """Read a shape of :data:`SHAPES`."""
    if node.tag == "polygon":
        texts = [text.split(",") for text in node.get("points", "").split(";")]
        if len(texts) < 3 or any(len(text) != 2 for text in texts):
            raise InputError(
                f"{where}: the polygon's points '{node.get('points', '')[:40]}' are not 'x,y;x,y;"
                "x,y': correct them."
            )
        points = [[number(side, float, where, "a point") for side in text] for text in texts]
        return Shape("polygon", np.array(points))
    values = np.array([number(node.get(key), float, where, key) for key in NUMBERS[node.tag]])
    if node.tag != "box" and (values[2:] < 0).any():
        raise InputError(f"{where}: the {node.tag} has a negative size: correct it.")
    rotation = number(node.get("rotation", "0"), float, where, "rotation")
    return Shape(node.tag, values, 0.0 if node.tag == "mask" else rotation)
