"""HTML from Python values; every text is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

VOID = ("img", "meta")  # elements that are not closed


class Html(str):
    """Markup that is put in as it is; any other ``str`` is text."""

    __slots__ = ()


class Heat(NamedTuple):
    """A table cell coloured by its share of the largest value."""

    text: str
    share: float  # 0 .. 1; NaN for none
    colour: str = "31, 119, 180"  # r, g, b


def element(tag: str, *children: str, **attributes: object) -> Html:
    """``class_`` stands for class, an underscore in other names for a hyphen."""
    names = {"class_": "class"}
    given = "".join(
        f' {names.get(name, name.replace("_", "-"))}="{escape(str(value))}"'
        for name, value in attributes.items()
    )
    end = "" if tag in VOID else f"{joined(children)}</{tag}>"
    return Html(f"<{tag}{given}>{end}")


def joined(parts: Iterable[str]) -> Html:
    """One after the other."""
    return Html("".join(each if isinstance(each, Html) else escape(each) for each in parts))


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


def percent(value: float) -> str:
    """``0.1234`` as ``12.3``, a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def number(value: float, digits: int = 3) -> str:
    """A dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


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
