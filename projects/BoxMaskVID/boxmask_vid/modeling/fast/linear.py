"""Products of matrices on CPUs by the faster of PyTorch's two libraries.

``torch.nn.functional.linear`` calls MKL, whose rate on some CPUs is half of that of oneDNN, which
PyTorch calls for convolutions. Which is faster is measured once in a process: two maps of a
frame are compared in 30 ms instead of 47 (docs/SPEED.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

MARGIN = (
    1.1  # oneDNN has to be that much faster, so that noise decides nothing where they are alike
)
LEAST = 2**24  # multiplications; with fewer nothing is gained


class LinearFast(nn.Linear):
    """``nn.Linear`` by the faster library at test."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.training:  # the same library in every process of a training, and when it goes on
            return super().forward(input)
        return linear(input, self.weight, self.bias)


def linear(
    rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """``F.linear``: (..., C) and (D, C) to (..., D); without gradient by the faster library."""
    tensors = (rows, weight) if bias is None else (rows, weight, bias)
    if (
        any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in tensors)
        or (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        or torch.is_autocast_enabled("cpu")
        or rows.numel() * len(weight) < LEAST
        or not prefers_onednn()
    ):
        return F.linear(rows, weight, bias)
    return _onednn(rows, weight, bias)


def _onednn(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


@cache
def prefers_onednn() -> bool:
    """Whether oneDNN multiplies matrices faster than MKL here."""
    if not (
        torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return False
    # Maps seldom have a multiple of 16 cells, which MKL likes. Of fewer rows both libraries are so
    # close (1.15 for 256) that noise decides: 1.6 for these, on a CPU whose maps take 1.5.
    rows, weight = torch.ones(600, 512), torch.ones(1194, 512)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of which the time is known, whatever else runs
    try:
        with torch.no_grad():
            # in turn; the first calls prepare the libraries
            pairs = [
                (_seconds(F.linear, rows, weight), _seconds(_onednn, rows, weight))
                for _ in range(3)
            ]
    finally:
        torch.set_num_threads(threads)
    mkl, onednn = (min(times) for times in zip(*pairs, strict=True))
    return onednn * MARGIN < mkl


def _seconds(multiply: Callable, rows: torch.Tensor, weight: torch.Tensor) -> float:
    begin = time.thread_time()
    multiply(rows, weight, None)
    return time.thread_time() - begin
