"""Tables whose cells may be coloured by their value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .html import Html, element, joined


class Heat(NamedTuple):
    """A table cell coloured by its share of the largest value."""

    text: str
    share: float  # 0 .. 1; NaN for none
    colour: str = "31, 119, 180"  # r, g, b


def table(
    rows: Iterable[Sequence[str | Heat]],
    *headers: Sequence[str | tuple[str, int]],
    class_: str = "",
) -> Html:
    """A table whose first column names its rows.

    Args:
        rows: cells.
        headers: rows of heads; a pair is a text and the columns that it spans.
        class_: for the style sheet.
    """
    head = joined(element("tr", *map(_head, header)) for header in headers)
    body = joined(
        element("tr", element("th", row[0], scope="row"), *map(_cell, row[1:])) for row in rows
    )
    parts = element("table", element("thead", head), element("tbody", body), class_=class_)
    return element("div", parts, class_="scroll")


def _head(cell: str | tuple[str, int]) -> Html:
    if isinstance(cell, tuple):
        return element("th", cell[0], colspan=cell[1])
    return element("th", cell)


def _cell(cell: str | Heat) -> Html:
    if not isinstance(cell, Heat):
        return element("td", cell)
    if math.isnan(cell.share):
        return element("td", cell.text)
    strength = 0.6 * min(max(cell.share, 0), 1)
    return element("td", cell.text, style=f"background: rgba({cell.colour}, {strength:.2f})")
