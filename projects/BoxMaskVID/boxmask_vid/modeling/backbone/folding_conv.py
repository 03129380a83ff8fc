"""Convolution that takes in the batch norm behind it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import nn


class FoldingConv2d(Conv2d):
    """``Conv2d`` that is one with its batch norm where that uses stored statistics.

    Batch norm is then a scale and a shift of every channel, which the weights can do: one map less
    to compute and, in training, to keep. The gradients of all parameters are the same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.norm
        if not _uses_stored_statistics(norm):
            return super().forward(x)
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        shift = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        weight = self.weight * scale[:, None, None, None]
        x = F.conv2d(x, weight, shift, self.stride, self.padding, self.dilation, self.groups)
        return x if self.activation is None else self.activation(x)


def _uses_stored_statistics(norm: nn.Module | None) -> bool:
    if isinstance(norm, FrozenBatchNorm2d):
        return True
    return (
        isinstance(norm, nn.modules.batchnorm._BatchNorm)
        and not norm.training
        and norm.affine
        and norm.track_running_stats
    )
