"""Dilated 3x3 convolutions as dense ones of phases.

Saves 0.08 s of a SELSA frame of 1.27 s on a CPU (docs/SPEED.md).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d

from .folded_norm_conv import FoldedNormConv2d


class DilatedConv2dFast(FoldedNormConv2d):
    """``FoldedNormConv2d`` of 3x3 with as much padding as dilation, and stride 1.

    Cells of a phase, ``dilation`` apart in both directions, are convolved with each other only.
    """

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if x.device.type != "cpu" or x.requires_grad:
            return super().convolve(x, weight, bias)
        dilation = self.dilation[0]
        count, _, height, width = x.shape
        rows = F.pad(x, (0, -width % dilation, 0, -height % dilation)).permute(0, 2, 3, 1)
        phases = rows.unflatten(2, (-1, dilation)).unflatten(1, (-1, dilation))
        phases = phases.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)
        phases = F.conv2d(phases, weight, bias, padding=1, groups=self.groups).permute(0, 2, 3, 1)
        rows = phases.unflatten(0, (dilation, dilation, count)).permute(2, 3, 0, 4, 1, 5)
        rows = rows.flatten(3, 4).flatten(1, 2)[:, :height, :width]
        return rows.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def has_phases(conv: Conv2d) -> bool:
    """Whether a convolution is one that :class:`DilatedConv2dFast` computes."""
    return (
        (conv.kernel_size, conv.stride) == ((3, 3), (1, 1))
        and conv.dilation[0] == conv.dilation[1] > 1
        and conv.padding == conv.dilation
    )
