"""Cells that the 3x3 embedding convolution sees in a RoI.

Part of accelerated Temporal RoI Align.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .sparse_row_sum import SparseRowSum


class Neighbours(nn.Module):
    """Cells of a RoI of P x P that a 3x3 convolution sees, and the taps that see them.

    The tables are buffers, so that they are where the model is, and are not in checkpoints.
    """

    cell: torch.Tensor
    tap: torch.Tensor
    start: torch.Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        # on a CPU also where the model is built without memory, on the device "meta"
        number = torch.arange(size**2, device="cpu").view(size, size)
        cell = F.pad(number, (1, 1, 1, 1), value=-1)
        seen = cell.unfold(0, 3, 1).unfold(1, 3, 1).reshape(size**2, 9)
        inside = seen >= 0  # what pads the RoI adds nothing
        counts = inside.sum(dim=1)
        for name, table in (
            ("cell", seen[inside]),
            ("tap", inside.nonzero()[:, 1].int()),
            ("start", (counts.cumsum(0) - counts).int()),
        ):
            self.register_buffer(name, table, persistent=False)

    def rows(self, position: torch.Tensor, weight: torch.Tensor) -> SparseRowSum:
        """Rows of ``ConvProjections.table`` that sum up to the embedding of RoI cells.

        Args:
            position, weight: what the cells themselves are made of, by place in that table, n
                entries for each of all the cells of all RoIs in order.
        """
        cells = len(self.start)
        position, weight = (x.reshape(-1, cells, x.shape[-1]) for x in (position, weight))
        rois, _, entries = position.shape
        index = position[:, self.cell] * 9 + self.tap[:, None]
        roi = arange_like(rois, index)[:, None]
        offsets = (roi * len(self.cell) + self.start) * entries
        return SparseRowSum(index.flatten(), weight[:, self.cell].flatten(), offsets.flatten())


def arange_like(end: int, like: torch.Tensor) -> torch.Tensor:
    """``arange`` of another tensor's type and device."""
    return torch.arange(end, device=like.device, dtype=like.dtype)
