"""What Temporal RoI Align needs of a frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass
class FrameCells:
    """The h x w cells of a feature map with C channels.

    Attributes:
        size: h, w.
        unit: (h * w, C) features of length 1, or 0 where they are all zero; at least float32.
        norm: (h * w,) their length before.
        taps: (h * w * 9, C), for each cell what it adds to the embedding of the cell that sees
            it at each of the 9 places of a 3x3 convolution, without bias; None if that is not
            kept.
    """

    size: tuple[int, int]
    unit: torch.Tensor
    norm: torch.Tensor
    taps: torch.Tensor | None

    def crop(self, height: int, width: int) -> FrameCells:
        """The upper left corner: a map without the cells that only pad a batch."""
        if (height, width) == self.size:
            return self

        def corner(rows: torch.Tensor) -> torch.Tensor:
            grid = rows.unflatten(0, (*self.size, -1))
            return grid[:height, :width].flatten(0, 2)

        taps = None if self.taps is None else corner(self.taps)
        return FrameCells((height, width), corner(self.unit), corner(self.norm), taps)

    def to(self, dtype: torch.dtype) -> FrameCells:
        """With the projections (:attr:`taps`) in another precision."""
        return self if self.taps is None else replace(self, taps=self.taps.to(dtype))

    def without_taps(self) -> FrameCells:
        """Without the projections, most of what is kept: they can be computed again."""
        return replace(self, taps=None)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        tensors = (self.unit, self.norm, self.taps)
        return sum(each.nbytes for each in tensors if each is not None)
