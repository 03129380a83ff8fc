"""HTML from Python values; every text is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

VOID = ("img", "meta")  # elements that are not closed


class Html(str):
    """Markup that is put in as it is; any other ``str`` is text."""

    __slots__ = ()


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


def percent(value: float) -> str:
    """``0.1234`` as ``12.3``, a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def number(value: float, digits: int = 3) -> str:
    """A dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
