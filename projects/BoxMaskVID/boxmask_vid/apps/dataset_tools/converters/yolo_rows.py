"""Rows of YOLO label files: the meaning of their columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from .labels import number, read_lines, whole_number

ROUNDING = 1e-4  # numbers with four decimals are still within 0 .. 1
FORM = "class x_centre y_centre width height [track]"
BOX_COLUMNS = 5
POLYGONS = "polygons or turned boxes, of which the box around them is used"


@dataclass(frozen=True)
class YoloRow:
    """A row of a label file, as text."""

    path: Path
    where: str
    fields: list[str]

    def numbers(self, start: int, end: int | None = None) -> list[float]:
        """Columns that are relative to the image, 0 .. 1."""
        values = [
            number(field, float, self.where, f"column {column}")
            for column, field in enumerate(self.fields[start:end], start=start + 1)
        ]
        for column, value in enumerate(values, start=start + 1):
            if not -ROUNDING <= value <= 1 + ROUNDING:
                raise InputError(
                    f"{self.where}: column {column} is {value}, which is not within 0 .. 1: all "
                    "numbers after the class must be relative to the size of the image."
                )
        return [min(max(value, 0.0), 1.0) for value in values]


def read_rows(path: Path) -> list[YoloRow]:
    """Read the rows of a label file."""
    rows = []
    for where, line in read_lines(path):
        if "," in line or ";" in line:
            raise InputError(
                f"{where}: '{line.strip()[:60]}' has commas: the columns {FORM} are separated by "
                "spaces, and decimals have a point."
            )
        rows.append(YoloRow(path, where, line.split()))
    return rows


Box = tuple[tuple[float, float, float, float], int | None]  # x, y, width, height and track


def meaning(rows: Sequence[YoloRow], keypoints: int | None) -> Callable[[YoloRow], Box]:
    """Find what the columns of the rows of a data set mean.

    Args:
        rows: of all its files.
        keypoints: columns of keypoints after the box, which data.yaml tells; None without them.

    Returns:
        a function that reads the box, relative to the image, and the track of a row.

    Raises:
        InputError: if they are not annotations, or can mean two things.
    """
    for row in rows:
        if keypoints is not None:
            if len(row.fields) != BOX_COLUMNS + keypoints:
                raise _wrong(row, f"a box and {keypoints} columns of keypoints (kpt_shape)")
        elif len(row.fields) < BOX_COLUMNS or (
            len(row.fields) > BOX_COLUMNS + 1 and len(row.fields) % 2 == 0
        ):
            raise _wrong(row, f"{FORM}, nor a class and the points of a polygon")
    if keypoints is None:
        _refuse_predictions(rows)
        _refuse_keypoints(rows)
    return _box if keypoints is None else _box_alone


def _wrong(row: YoloRow, form: str) -> InputError:
    shown = " ".join(row.fields)[:60]
    return InputError(f"{row.where}: '{shown}' has {len(row.fields)} columns, not {form}.")


def _refuse_predictions(rows: Sequence[YoloRow]) -> None:
    """Tell tracks from confidences in the sixth column, and triangles from rows with both."""
    sixth = [row for row in rows if len(row.fields) == BOX_COLUMNS + 1]
    values = [number(row.fields[5], float, row.where, "the track") for row in sixth]
    are_decimals = all("." in row.fields[5] for row in sixth)
    for row, value in zip(sixth, values, strict=True):
        if value != int(value) or (are_decimals and max(values) <= 1):
            raise _prediction(row, f"sixth column {row.fields[5]} is a confidence")
    seventh = [row for row in rows if len(row.fields) == BOX_COLUMNS + 2]
    for row in seventh:
        last = number(row.fields[6], float, row.where, "the last column")
        if last > 1 + ROUNDING:
            raise _prediction(row, "last two columns are a confidence and a track")
    for column in (5, 6):  # coordinates of a triangle have decimals, a track has none
        if seventh and all("." not in row.fields[column] for row in seventh):
            raise _prediction(seventh[0], "last two columns are a confidence and a track")


def _prediction(row: YoloRow, reason: str) -> InputError:
    return InputError(
        f"{row.where}: its {reason}, so these are predictions of a model, not annotations: once "
        "you have checked the boxes, remove the column of the confidence (a sixth column is the "
        "track)."
    )


def _refuse_keypoints(rows: Sequence[YoloRow]) -> None:
    """Rows of a box and keypoints look like polygons; there each has the same length."""
    longer = [row for row in rows if len(row.fields) > BOX_COLUMNS + 1]
    if len({len(row.fields) for row in rows}) > 1 or len(longer) < 2:
        return
    if len(longer[0].fields) > BOX_COLUMNS + 4 and all(map(_points_are_in_the_box, longer)):
        raise InputError(
            f"{longer[0].where} has {len(longer[0].fields)} columns, which can be a polygon, or a "
            "box with keypoints: for keypoints give their kpt_shape in data.yaml."
        )


def _points_are_in_the_box(row: YoloRow) -> bool:
    x, y, w, h, *points = row.numbers(1)
    slack = 1e-3
    return all(
        abs(value - centre) <= side / 2 + slack
        for values, centre, side in ((points[::2], x, w), (points[1::2], y, h))
        for value in values
    )


def _box(row: YoloRow) -> Box:
    if len(row.fields) > BOX_COLUMNS + 1:
        points = row.numbers(1)
        xs, ys = points[::2], points[1::2]
        return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)), None
    return _box_alone(row)


def _box_alone(row: YoloRow) -> Box:
    x, y, w, h = row.numbers(1, BOX_COLUMNS)
    left, right = (_clipped(x + side) for side in (-w / 2, w / 2))
    top, bottom = (_clipped(y + side) for side in (-h / 2, h / 2))
    track = None
    if len(row.fields) == BOX_COLUMNS + 1:
        track = whole_number(row.fields[5], row.where, "the track")
    return (left, top, right - left, bottom - top), None if track == -1 else track


def _clipped(edge: float) -> float:
    """Put an edge that is beyond the image by rounding onto the edge of the image."""
    if -ROUNDING <= edge < 0:
        return 0.0
    return 1.0 if 1 < edge <= 1 + ROUNDING else edge
