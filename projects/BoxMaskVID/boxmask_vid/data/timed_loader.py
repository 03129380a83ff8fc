"""Loader that measures how long the model waits for data."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from torch.utils.data import DataLoader

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
            batch = next(batches, None)
            waited += time.perf_counter() - asked
            if batch is None:
                break
            yield batch
        total = time.perf_counter() - start
        logger.info(
            f"Waited for data: {waited:.1f} of {total:.1f} s ({100 * waited / total:.1f} %), "
            f"{self.loader.num_workers} workers"
        )
