"""Boxes of a file that are x1, y1, x2, y2 in place of x, y, width, height, where it is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Box = Sequence[float]

ROUNDING = 2.0  # pixels by which the box around a mask may differ: last pixels, polygons
CERTAINLY_BEYOND = 0.1  # share of a side; boxes of x, y, width, height end farther beyond never


@dataclass
class CornerCheck:
    """All boxes of a file, and what else it says of them."""

    boxes: list[tuple[Box, tuple[int, int]]] = field(default_factory=list)  # and of their images
    areas: list[tuple[Box, float]] = field(default_factory=list)
    masks: list[tuple[Box, Box]] = field(default_factory=list)  # x, y, width, height of a mask

    def reason(self) -> str:
        """How it is known that all boxes are corners; empty if they are not, or may not be."""
        if self.masks:
            return "as the masks show" if all(_is_around(*pair) for pair in self.masks) else ""
        if self.areas and all(_has_area_of_corners(*pair) for pair in self.areas):
            return "as their areas show"
        if all(x < w <= width and y < h <= height for (x, y, w, h), (width, height) in self.boxes):
            for (x, y, w, h), (width, height) in self.boxes:
                if max((x + w) / width, (y + h) / height) > 1 + CERTAINLY_BEYOND:
                    return "as otherwise they would end far beyond their images"
        return ""


def _is_around(box: Box, mask: Box) -> bool:
    """Whether a box is the corners of a mask, and not its corner, width and height."""
    x, y, w, h = mask
    return _differ((x, y, x + w, y + h), box) <= ROUNDING < _differ(mask, box)


def _has_area_of_corners(box: Box, area: float) -> bool:
    """Whether a box has its area as corners only."""
    x, y, w, h = box
    return abs((w - x) * (h - y) - area) < 1 <= abs(w * h - area)


def _differ(one: Box, other: Box) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
