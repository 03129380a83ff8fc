"""Convolutions whose batch norm takes neither memory nor a pass of its own.

Saves 0.12 s of a SELSA frame of 1.27 s (docs/SPEED.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import nn


class FoldedNormConv2d(Conv2d):
    """``Conv2d`` for batch norm with stored statistics, a scale and a shift of every channel.

    Without gradients they are applied in place. With gradients the weights do both, so that
    autograd keeps one map less; the gradients of all parameters are the same.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.norm
        if torch.jit.is_tracing() or not uses_stored_statistics(norm):
            return super().forward(x)
        tensors = x, self.weight, norm.weight, norm.bias
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
            shift = norm.bias - norm.running_mean * scale
            if self.bias is not None:
                shift = shift + self.bias * scale
            x = self.convolve(x, self.weight * scale[:, None, None, None], shift)
        else:
            x = self.convolve(x, self.weight, self.bias)
            _normalize_in_place(x, norm)
        return x if self.activation is None else self.activation(x)

    def convolve(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """The convolution alone, of other parameters."""
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


def is_batch_norm(norm: Any) -> bool:
    """Whether a norm layer normalises channels with statistics that it stores."""
    return isinstance(norm, FrozenBatchNorm2d | nn.modules.batchnorm._BatchNorm)


def uses_stored_statistics(norm: Any) -> bool:
    """Whether a batch norm is a scale and a shift of every channel in its current mode."""
    if isinstance(norm, FrozenBatchNorm2d):
        return True
    return not norm.training and norm.affine and norm.track_running_stats


def _normalize_in_place(x: torch.Tensor, norm: Any) -> None:
    none = x.new_empty(0, dtype=norm.running_mean.dtype)
    statistics = norm.running_mean, norm.running_var
    torch.native_batch_norm(
        x, norm.weight, norm.bias, *statistics, False, 0.0, norm.eps, out=(x, none, none.clone())
    )
