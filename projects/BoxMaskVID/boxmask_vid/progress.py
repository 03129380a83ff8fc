"""Progress of long work."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int | None, what: str) -> Iterable[Item]:
    """Count, rate and time left on the screen; in a log file a line now and then.

    Args:
        items: what is gone through.
        total: how many there are; None if nobody knows.
        what: one of them, e.g. "video".
    """
    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(items, total=total, desc=f"{what}s", unit=what, mininterval=interval)
