"""Work on all CPU cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from .progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_PROCESS = 32  # at least; fewer are done before a process has started


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], *, what: str
) -> Iterator[Result]:
    """Apply a function to all items in several processes; results keep the order of the items.

    Processes are spawned, not forked: a copy of one that has threads (PyTorch's, OpenCV's) may
    hang.

    The function is at module level (or a partial of one), so that other processes can import it.
    ``what`` names an item in singular for the progress bar, e.g. "video".
    """
    count = min(os.cpu_count() or 1, len(items) // ITEMS_PER_PROCESS)
    if count <= 1:
        yield from progress(map(function, items), total=len(items), what=what)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        # large enough to keep the processes busy, small enough to see progress
        results = pool.map(function, items, chunksize=min(64, -(-len(items) // (16 * count))))
        yield from progress(results, total=len(items), what=what)
