"""Weighted sums of few rows of a table: interpolation as a sparse matrix.

Part of accelerated RoIAlign and Temporal RoI Align.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass
class SparseRowSum:
    """N weighted sums of rows, a sparse matrix with few entries in a row.

    Attributes:
        index: (E,) rows of the table.
        weight: (E,) their weights.
        offsets: (N,) where the entries of each sum begin.
    """

    index: torch.Tensor
    weight: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def over_last(cls, index: torch.Tensor, weight: torch.Tensor) -> SparseRowSum:
        """A sum for each entry of all dimensions but the last, over which is summed."""
        sums = index.shape[:-1].numel()
        starts = torch.arange(sums, device=index.device, dtype=index.dtype) * index.shape[-1]
        return cls(index.flatten(), weight.flatten(), starts)

    def without_zeros(self) -> SparseRowSum:
        """The same sums, on a CPU without entries of weight 0, which a GPU would wait for."""
        if self.weight.device.type != "cpu":
            return self
        used = self.weight != 0
        before = used.cumsum(0, dtype=self.offsets.dtype) - used.to(self.offsets.dtype)
        before = torch.cat([before, used.sum(dtype=before.dtype)[None]])  # of sums at the end
        return SparseRowSum(self.index[used], self.weight[used], before[self.offsets])

    def of(self, table: torch.Tensor) -> torch.Tensor:
        """The sums (N, D) of the rows of a table (L, D), with gradient into table and weights."""
        if table.requires_grad and table.dtype not in (torch.float32, torch.float64):
            table = table.float()  # half-precision tables have no gradient on CPUs
        return F.embedding_bag(
            self.index,
            table,
            self.offsets,
            mode="sum",
            per_sample_weights=self.weight.to(table.dtype),
        )
