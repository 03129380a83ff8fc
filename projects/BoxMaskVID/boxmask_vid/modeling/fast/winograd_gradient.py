"""Gradients of a 3x3 convolution by Winograd's formulation, which is linear in map and filters.

Saves 1.1 s of a training step of 14.9 s (docs/SPEED.md).
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from .winograd import tile_sums, winograd_conv3x3, winograd_filters

TILES = 160  # at once: few enough to take little memory, enough for quick products


class WinogradConv3x3(torch.autograd.Function):
    """``winograd_conv3x3`` of (N, C, H, W) with gradients; keeps the map and the weight only."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return winograd_conv3x3(x, winograd_filters(weight), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = _gradients(x, weight, grad, *ctx.needs_input_grad[:2])
        of_bias = grad.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return of_x, of_weight, of_bias


def _gradients(
    x: torch.Tensor, weight: torch.Tensor, grad: torch.Tensor, for_x: bool, for_weight: bool
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Of x (N, C, H, W) and of the weight (D, C, 3, 3), for the gradient (N, D, H, W)."""
    (height, width), channels = x.shape[-2:], (x.shape[1], grad.shape[1])
    rows, columns = (height + 1) // 2, (width + 1) // 2  # of tiles
    odd = (0, 0, 0, width % 2, 0, height % 2)
    filters = winograd_filters(weight).transpose(1, 2) if for_x else None  # (16, D, C)
    of_filters = x.new_zeros(16, *channels[::-1]) if for_weight else None
    of_cells = x.new_zeros(len(x), 2 * rows + 2, 2 * columns + 2, channels[0]) if for_x else None
    step = max(TILES // columns, 1)  # rows of tiles
    of_all, of_tiles = (x.new_empty(16 * step * columns * count) for count in channels[::-1])
    for number, gradient in enumerate(grad):
        pairs = F.pad(gradient.permute(1, 2, 0), odd).unflatten(1, (-1, 2)).unflatten(0, (-1, 2))
        cells = F.pad(x[number].permute(1, 2, 0), (0, 0, 1, 1 + width % 2, 1, 1 + height % 2))
        for first in range(0, rows, step):
            last = min(first + step, rows)
            shape = 4, 4, last - first, columns
            of_products, tiles = (
                memory[: prod(shape) * count].view(*shape, count)
                for memory, count in zip((of_all, of_tiles), channels[::-1], strict=True)
            )
            products, flat = (part.view(16, -1, part.shape[-1]) for part in (of_products, tiles))
            _spread(pairs[first:last], of_products)
            part = slice(2 * first, 2 * last + 2)
            if of_filters is not None:
                tile_sums(cells[part], tiles)
                of_filters.baddbmm_(products.transpose(1, 2), flat)
            if of_cells is not None and filters is not None:
                torch.bmm(products, filters, out=flat)
                _add_tiles(tiles, of_cells[number, part])
    of_x = None
    if of_cells is not None:
        of_x = of_cells[:, 1 : height + 1, 1 : width + 1].permute(0, 3, 1, 2)
    return of_x, None if of_filters is None else _taps(of_filters)


def _taps(filters: torch.Tensor) -> torch.Tensor:
    """The gradient (D, C, 3, 3) of that (16, D, C) of the filters."""
    lines = filters.new_empty(4, 3, *filters.shape[1:])
    for row, line in zip(filters.unflatten(0, (4, 4)), lines, strict=True):
        _add_filters(row, line)
    taps = filters.new_empty(3, 3, *filters.shape[1:])
    _add_filters(lines, taps)
    return taps.permute(2, 3, 0, 1)


def _add_filters(filters: torch.Tensor, taps: torch.Tensor) -> None:
    a, b, c, d = filters
    torch.sub(b, c, out=taps[1]).mul_(0.5)
    both = (b + c).mul_(0.5)
    torch.add(a, both, out=taps[0])
    torch.add(both, d, out=taps[2])


def _spread(pairs: torch.Tensor, out: torch.Tensor) -> None:
    """(rows, 2, columns, 2, D), 2 x 2 cells of a gradient, to those of their 16 products."""
    a, b = pairs.unbind(1)
    for row, line in zip(out, (a, a + b, a - b, -b), strict=True):
        c, d = line.unbind(2)
        row[0] = c
        torch.add(c, d, out=row[1])
        torch.sub(c, d, out=row[2])
        torch.neg(d, out=row[3])


def _add_tiles(tiles: torch.Tensor, cells: torch.Tensor) -> None:
    """Add to (2 rows + 2, 2 columns + 2, C) the gradient (4, 4, rows, columns, C) of its sums."""
    rows, columns = tiles.shape[2:4]
    sums = cells.new_zeros(4, rows, *cells.shape[1:])
    for line, row in zip(sums, tiles, strict=True):
        _add_sums(row, [line[:, at : at + 2 * columns - 1 : 2] for at in range(4)])
    _add_sums(sums, [cells[at : at + 2 * rows - 1 : 2] for at in range(4)])


def _add_sums(sums: torch.Tensor, cells: list[torch.Tensor]) -> None:
    a, b, c, d = sums
    cells[0].add_(a)
    cells[1].add_(b).sub_(c).add_(d)
    cells[2].sub_(a).add_(b).add_(c)
    cells[3].sub_(d)
