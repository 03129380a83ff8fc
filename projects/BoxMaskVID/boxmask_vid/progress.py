"""Progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int | None, what: str) -> Iterable[Item]:
    """Show count, rate and time left on the screen; in a log file, a line every ten seconds.

    ``total`` is None if the number is not known; ``what`` names an item in singular, e.g. "video".
    """
    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(items, total=total, desc=f"{what}s", unit=what, mininterval=interval)
