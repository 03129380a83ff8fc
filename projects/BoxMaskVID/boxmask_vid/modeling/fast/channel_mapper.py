"""A 3x3 convolution of very many channels.

Winograd's formulation saves 0.19 s of a SELSA frame of 1.27 s and 1.1 s of a training step of 14.9
s (docs/SPEED.md). Of fewer channels the gradient of the weight is products of matrices, which take
1.1 s for three maps where PyTorch's takes 2.7 s.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

from ..backbone import ChannelMapper
from .winograd import winograd_conv3x3, winograd_filters
from .winograd_gradient import WinogradConv3x3


class ChannelMapperFast(ChannelMapper):
    """``ChannelMapper`` whose gradient of the weight is products of matrices on CPUs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not _is_on_cpu(x) or not torch.is_grad_enabled():
            return super().forward(x)
        return self.activation(_Conv3x3.apply(x, self.weight, self.bias))


class WinogradChannelMapper(ChannelMapperFast):
    """``ChannelMapperFast`` of very many channels, by Winograd's formulation.

    Without gradients it keeps 25 / 9 of the weight's memory beside it.
    """

    _filters: _Filters | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not _is_on_cpu(x):
            self._filters = None
            return super().forward(x)
        if torch.is_grad_enabled():
            self._filters = None
            return self.activation(WinogradConv3x3.apply(x, self.weight, self.bias))
        if self._filters is None or not self._filters.are_of(self.weight):
            self._filters = _Filters(self.weight)
        return self.activation(winograd_conv3x3(x, self._filters.filters, self.bias))


def _is_on_cpu(x: torch.Tensor) -> bool:
    """In full precision."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.jit.is_tracing()
        and not torch.is_autocast_enabled("cpu")
    )


class _Filters:
    """Winograd's filters with the weight that they are of.

    The version of a tensor does not count changes of its ``data``, so weights are compared (5 ms).
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach().clone()
        self.filters = winograd_filters(self._weight)

    def are_of(self, weight: torch.Tensor) -> bool:
        return weight.dtype == self._weight.dtype and torch.equal(weight, self._weight)


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x: torch.Tensor | None = None
        of_weight: torch.Tensor | None = None
        of_bias: torch.Tensor | None = None
        if ctx.needs_input_grad[0]:
            of_x = conv2d_input(x.shape, weight, grad, padding=1)
        if ctx.needs_input_grad[1]:
            of_weight = _gradient_of_weight(x, grad)
        if ctx.needs_input_grad[2]:
            of_bias = grad.sum((0, 2, 3))
        return of_x, of_weight, of_bias


def _gradient_of_weight(x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """(D, C, 3, 3), channels last, of the input (N, C, H, W) and the output's gradient.

    The cells of a padded map are rows one after the other: what a tap has met are those a fixed
    number of rows further on. Rows of the gradient that stand for padding are zero.
    """
    height, width = x.shape[-2:]
    taps = x.new_zeros(grad.shape[1], 3, 3, x.shape[1])
    met = (height - 1) * (width + 2) + width
    for image, gradient in zip(x, grad, strict=True):
        cells = F.pad(image.permute(1, 2, 0), (0, 0, 1, 1, 1, 1)).flatten(0, 1)
        gradient = F.pad(gradient.permute(1, 2, 0), (0, 0, 0, 2)).flatten(0, 1)[:met].t()
        for row in range(3):
            for column in range(3):
                first = row * (width + 2) + column
                taps[:, row, column] += gradient @ cells[first : first + met]
    return taps.permute(0, 3, 1, 2)
