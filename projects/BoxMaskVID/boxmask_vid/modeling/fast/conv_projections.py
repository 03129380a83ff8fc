"""Projections of the cells of a map by the taps of a 3x3 convolution, kept as they are needed.

Part of accelerated Temporal RoI Align: a cell of a reference frame that is similar to no RoI cell
of a key frame takes neither time nor memory.
"""

from __future__ import annotations

import torch


class ConvProjections:
    """What L cells with C channels add to those that see them at each of the 9 taps.

    Attributes:
        table: (L * 9, C); only the first ``9 * count`` rows are computed, and memory that is not
            written to is not taken.
        count: cells that are in the table.
    """

    def __init__(self, table: torch.Tensor, row: torch.Tensor | None = None) -> None:
        """
        Args:
            table: all of it if ``row`` is None, else without any cell yet.
            row: (L,) int32 of -1, for the place of each cell in the table.
        """
        self.table = table
        self.count = len(table) // 9 if row is None else 0
        self._row = row

    @classmethod
    def empty(cls, cells: int, channels: int, dtype: torch.dtype) -> ConvProjections:
        """A table on the CPU without any cell yet."""
        with torch.inference_mode(False):  # frames are remembered longer than a mode lasts
            table = torch.empty(cells * 9, channels, dtype=dtype)
            return cls(table, torch.full((cells,), -1, dtype=torch.int32))

    def missing(self, position: torch.Tensor) -> torch.Tensor:
        """Positions of cells, of those given, that are not computed, once each."""
        if self._row is None:
            return position.new_empty(0)
        needed = torch.zeros(len(self._row), dtype=torch.bool)
        needed[position.flatten().long()] = True
        return (needed & (self._row < 0)).nonzero()[:, 0]

    def add(self, position: torch.Tensor, projections: torch.Tensor) -> None:
        """Keep the projections (N * 9, C) of N cells that are missing."""
        assert self._row is not None
        end = self.count + len(position)
        self.table[self.count * 9 : end * 9] = projections
        self._row[position] = torch.arange(self.count, end, dtype=torch.int32)
        self.count = end

    def place(self, position: torch.Tensor) -> torch.Tensor:
        """Places of cells in the table, of the shape of their positions."""
        return position if self._row is None else self._row[position.long()]

    def to(self, dtype: torch.dtype) -> ConvProjections:
        """The same in another precision; itself if it is in this one."""
        if self.table.dtype == dtype:
            return self
        if self._row is None:
            return ConvProjections(self.table.to(dtype))
        copy = self.empty(len(self._row), self.table.shape[1], dtype)
        cells = (self._row >= 0).nonzero()[:, 0]
        cells = cells[self._row[cells].argsort()]
        copy.add(cells, self.table[: self.count * 9].to(dtype))
        return copy

    @property
    def nbytes(self) -> int:
        """Memory in bytes when all cells are computed."""
        return self.table.nbytes
