"""Projections of the cells of a map by the taps of a 3x3 convolution, kept as they are needed.

Part of accelerated Temporal RoI Align: a cell of a reference frame that is similar to no RoI cell
of a key frame takes neither time nor memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(eq=False)
class ConvProjections:
    """What L cells with C channels add to those that see them at each of the 9 taps.

    Attributes:
        table: (L * 9, C); only the first ``9 * count`` rows are computed, and memory that is not
            written to is not taken.
        row: (L,) int32, the place of each cell in the table, -1 where it is not in it yet; None if
            all cells are in it, in order.
        count: cells that are in the table.
    """

    table: torch.Tensor
    row: torch.Tensor | None = None
    count: int = 0

    def __post_init__(self) -> None:
        if self.row is None:
            self.count = len(self.table) // 9

    @classmethod
    def empty(cls, cells: int, channels: int, dtype: torch.dtype) -> ConvProjections:
        """A table on the CPU without any cell yet."""
        with torch.inference_mode(False):  # frames are remembered longer than a mode lasts
            table = torch.empty(cells * 9, channels, dtype=dtype)
            return cls(table, torch.full((cells,), -1, dtype=torch.int32))

    def missing(self, position: torch.Tensor) -> torch.Tensor:
        """Positions of cells, of those given, that are not computed, once each."""
        if self.row is None:
            return position.new_empty(0)
        needed = torch.zeros(len(self.row), dtype=torch.bool)
        needed[position.flatten().long()] = True
        return (needed & (self.row < 0)).nonzero()[:, 0]

    def add(self, position: torch.Tensor, projections: torch.Tensor) -> None:
        """Keep the projections (N * 9, C) of N cells that are missing."""
        assert self.row is not None
        end = self.count + len(position)
        self.table[self.count * 9 : end * 9] = projections
        self.row[position] = torch.arange(self.count, end, dtype=torch.int32)
        self.count = end

    def place(self, position: torch.Tensor) -> torch.Tensor:
        """Places of cells in the table, of the shape of their positions."""
        return position if self.row is None else self.row[position.long()]

    def to(self, dtype: torch.dtype) -> ConvProjections:
        """The same in another precision; itself if it is in this one."""
        if self.table.dtype == dtype:
            return self
        if self.row is None:
            return ConvProjections(self.table.to(dtype))
        copy = self.empty(len(self.row), self.table.shape[1], dtype)
        cells = (self.row >= 0).nonzero()[:, 0]
        cells = cells[self.row[cells].argsort()]
        copy.add(cells, self.table[: self.count * 9].to(dtype))
        return copy

    @property
    def nbytes(self) -> int:
        """Memory in bytes when all cells are computed."""
        return self.table.nbytes
