"""Loader that measures how long the model waits for data."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator

from detectron2.utils import comm
from torch.utils.data import DataLoader

from ..progress import said_while_waiting
from .workers import lost_workers_explained

logger = logging.getLogger(__name__)


class TimedLoader:
    """Batches of a loader; at the end it logs the share of the time spent waiting for them.

    Frames are decoded and resized in the loader's ``DATALOADER.NUM_WORKERS`` processes; if the
    share is more than a few percent, there are too few of them.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[dict]]:
        waited, start = 0.0, time.perf_counter()
        batches = iter(self.loader)
        while True:
            asked = time.perf_counter()
            batch = next_batch(batches, self.loader.num_workers)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            yield batch
        total = time.perf_counter() - start
        logger.info(
            f"Waited for data: {waited:.1f} of {total:.1f} s ({100 * waited / total:.1f} %), "
            f"{self.loader.num_workers} workers"
        )


def next_batch(
    batches: Iterator[list[dict]], num_workers: int, *, after: float = 30.0
) -> list[dict] | None:
    """Wait for the next batch; say so where that takes long.

    Args:
        batches: batches of a loader.
        num_workers: ``DATALOADER.NUM_WORKERS``.
        after: seconds until it is said that this process waits.

    Returns:
        the batch, or None at the end.

    Raises:
        InputError: if a worker was killed, or met an image that cannot be used.
    """
    rank, size = comm.get_rank(), comm.get_world_size()
    message = (
        f"Process {rank} of {size} has been waiting for data (DATALOADER.NUM_WORKERS {num_workers};"
        f" is the disk or the network of the images slow?{' The others wait for it.' * (size > 1)})"
    )
    with lost_workers_explained(), said_while_waiting(message, say=_say, after=after):
        return next(batches, None)


def _say(message: str) -> None:
    logger.warning(message)
    if not comm.is_main_process():  # whose log is only in a file
        print(message, file=sys.stderr, flush=True)
