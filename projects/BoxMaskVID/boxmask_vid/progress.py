"""Progress bars, and a word where nothing goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int | None, what: str) -> Iterable[Item]:
    """Show count, rate and time left on the screen; in a log file, a line every ten seconds.

    A single item has no bar, which could only go from nothing to all. ``total`` is None if the
    number is not known; ``what`` names an item in singular, e.g. "video".
    """
    if total is not None and total < 2:
        return items
    interval = 0.2 if sys.stderr.isatty() else 10
    return tqdm(items, total=total, desc=f"{what}s", unit=what, mininterval=interval)


@contextmanager
def said_while_waiting(
    message: str, *, say: Callable[[str], object], after: float = 30.0
) -> Iterator[None]:
    """Say, after some seconds and then in growing intervals, that a block still waits.

    Args:
        message: a sentence without its end, which becomes "... for 30 s."
        say: takes the sentence, in another thread.
        after: seconds until it is said for the first time.
    """
    start, done = time.monotonic(), threading.Event()

    def watch() -> None:
        interval = after
        while not done.wait(interval):
            say(f"{message} for {time.monotonic() - start:.0f} s.")
            interval *= 2

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
