"""Features of a frame as accelerated Temporal RoI Align takes them.

Projections are computed once for a cell of a frame instead of a 3x3 convolution for every RoI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..encoded_frame import WithProjections
from .conv_projections import ConvProjections


@dataclass
class FrameFeatures(WithProjections):
    """The h x w cells of a feature map with C channels.

    Attributes:
        size: h, w.
        unit: (h * w, C) features of length 1, or 0 where they are all zero; at least float32.
        norm: (h * w,) their length before.
        conv_projections: for each cell what it adds, without bias, to the embedding of the cell
            that sees it at each of the 9 taps of a 3x3 convolution; None if they are not kept.
    """

    size: tuple[int, int]
    unit: torch.Tensor
    norm: torch.Tensor
    conv_projections: ConvProjections | None

    def to(self, dtype: torch.dtype) -> FrameFeatures:
        if self.conv_projections is None:
            return self
        return replace(self, conv_projections=self.conv_projections.to(dtype))

    def without_projections(self) -> FrameFeatures:
        return replace(self, conv_projections=None)

    @property
    def nbytes(self) -> int:
        projections = 0 if self.conv_projections is None else self.conv_projections.nbytes
        return self.unit.nbytes + self.norm.nbytes + projections
