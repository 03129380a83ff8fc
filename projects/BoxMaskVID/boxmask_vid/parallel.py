"""Work on all processors."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from .progress import progress

Job = TypeVar("Job")
Result = TypeVar("Result")

WORTH_A_PROCESS = 32  # jobs; fewer are done before a process has started


def in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, what: str
) -> Iterator[Result]:
    """Results in the order of the jobs, with progress on the screen.

    Processes are started afresh: a copy of one that has threads (PyTorch's, OpenCV's) may hang.

    Args:
        function: of a module, so that other processes find it.
        jobs: its arguments.
        what: a job is called, e.g. "video".
    """
    count = min(os.cpu_count() or 1, len(jobs) // WORTH_A_PROCESS)
    if count <= 1:
        yield from progress(map(function, jobs), total=len(jobs), what=what)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        # large enough to keep the processes busy, small enough to see progress
        results = pool.map(function, jobs, chunksize=min(64, -(-len(jobs) // (16 * count))))
        yield from progress(results, total=len(jobs), what=what)
