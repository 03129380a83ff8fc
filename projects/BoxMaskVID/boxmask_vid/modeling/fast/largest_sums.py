"""The largest of weighted sums of rows, of which none is kept but these.

Part of accelerated Temporal RoI Align, where a row has the similarities of a key cell with all
cells of a reference frame, and RoIAlign makes RoI cells of key cells: the most similar of a RoI
cell. By Numba, if it is installed, on CPUs: 14 ms for a frame instead of 51 (docs/SPEED.md).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

from .sparse_row_sum import SparseRowSum
from .stable_topk import stable_topk

logger = logging.getLogger(__name__)

# Sums that PyTorch computes together: few enough for the cache of a CPU, many for a GPU.
AT_ONCE = {"cpu": 2**19, "cuda": 2**28}
LEAST_OF_A_THREAD = 256  # rows; with fewer a thread costs more than it saves


class LargestSums:
    """The largest of N weighted sums of the rows of tables."""

    def __init__(self, position: torch.Tensor, weight: torch.Tensor) -> None:
        """
        Args:
            position, weight: (N, n) rows that make up each sum.
        """
        self._position, self._weight = position, weight
        self._kernels = kernels() if weight.device.type == "cpu" else {}
        self._parts: list[SparseRowSum] = []

    def of(self, table: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The K largest of each sum, the first of equals before the others.

        Args:
            table: (M, L).
            count: K, all L if there are fewer.

        Returns:
            values, falling, and their columns, (N, K) each.
        """
        kernel = self._kernels.get(str(table.dtype).removeprefix("torch."))
        if kernel is None or not len(self._weight):
            return self._by_pytorch(table, count)
        return self._by_numba(kernel, table, count)

    def _by_numba(
        self, kernel: Callable, table: torch.Tensor, count: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self._parts:
            self._parts = [SparseRowSum.over_last(self._position, self._weight).without_zeros()]
        (rows,) = self._parts
        sums, count = len(rows.offsets), min(count, table.shape[1])
        values = table.new_empty(sums, count)
        index = torch.empty(sums, count, dtype=torch.int64)
        weight = rows.weight.to(table.dtype)
        arrays = [
            tensor.contiguous().numpy() for tensor in (table, rows.index, weight, rows.offsets)
        ]

        def search(begin: int) -> None:
            kernel(*arrays, begin, min(begin + step, sums), values.numpy(), index.numpy())

        threads = min(torch.get_num_threads(), -(-sums // LEAST_OF_A_THREAD))
        step = -(-sums // (4 * threads if threads > 1 else 1))  # for threads of unequal speed
        if threads > 1:  # they end with the block: none is there when a process is forked
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(search, range(0, sums, step)))
        else:
            search(0)
        return values, index

    def _by_pytorch(self, table: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not self._parts:
            step = max(AT_ONCE.get(table.device.type, AT_ONCE["cuda"]) // table.shape[1], 1)
            parts = zip(self._position.split(step), self._weight.split(step), strict=True)
            self._parts = [SparseRowSum.over_last(*part).without_zeros() for part in parts]
        found = [stable_topk(part.of(table), count) for part in self._parts]
        values, index = (torch.cat(tensors) for tensors in zip(*found, strict=True))
        return values, index


@cache
def kernels() -> dict[str, Callable]:
    """Compiled kernels by the name of their type; none without Numba."""
    try:
        from .largest_sums_kernel import KERNELS
    except ImportError as error:
        logger.warning(
            f"Temporal RoI Align takes twice as long without Numba ({error}): "
            "pip install 'boxmask-vid[fast]'."
        )
        return {}
    return KERNELS
