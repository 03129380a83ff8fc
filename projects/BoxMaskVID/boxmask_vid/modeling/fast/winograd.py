"""3x3 convolutions with 2.25 times fewer multiplications: Winograd's F(2x2, 3x3).

Of each tile of 4 x 4 cells, which overlap by two, 16 sums are taken; the sums of all tiles are
multiplied with 16 matrices, and sums of the products are 2 x 2 cells of the result (arXiv
1509.09308, Sec. 4.1). Pays for maps of very many channels, where the sums cost little.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

TILE_ROWS = 2  # at once: what they take stays in the cache of a CPU


def winograd_filters(weight: torch.Tensor) -> torch.Tensor:
    """(D, C, 3, 3) to the 16 matrices (16, C, D), the transposes of contiguous ones."""
    taps = weight.permute(2, 3, 0, 1)
    filters = taps.new_empty(4, 4, *taps.shape[2:])
    lines = taps.new_empty(4, *taps.shape[1:])
    _filter_sums(taps, lines)
    for line, row in zip(lines, filters, strict=True):
        _filter_sums(line, row)
    return filters.flatten(0, 1).transpose(1, 2)


def winograd_conv3x3(x: torch.Tensor, filters: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """The convolution with padding 1; has no gradient.

    Args:
        x: (N, C, H, W), best channels last.
        filters: (16, C, D) of :func:`winograd_filters`.
        bias: (D,).

    Returns:
        (N, D, H, W), channels last.
    """
    (height, width), channels = x.shape[-2:], filters.shape[2]
    rows, columns = (height + 1) // 2, (width + 1) // 2  # of tiles
    found = x.new_empty(len(x), rows, 2, columns, 2, channels)
    tiles = x.new_empty(4, 4, rows, columns, x.shape[1])
    for image, maps in zip(x, found, strict=True):
        odd = (0, 0, 1, 1 + width % 2, 1, 1 + height % 2)
        tile_sums(F.pad(image.permute(1, 2, 0), odd), tiles)
        products = torch.bmm(tiles.flatten(2, 3).flatten(0, 1), filters)
        products = products.view(4, 4, rows, columns, channels)
        a, b, c, d = products
        for row, (e, f, g, h) in enumerate((a + b + c, b - c - d)):
            maps[:, row, :, 0] = e + f + g
            maps[:, row, :, 1] = f - g - h
    found = found.flatten(3, 4).flatten(1, 2)[:, :height, :width]
    return (found + bias).permute(0, 3, 1, 2)


def tile_sums(cells: torch.Tensor, tiles: torch.Tensor) -> None:
    """Write the sums (4, 4, rows, columns, C) of the tiles of (2 rows + 2, 2 columns + 2, C)."""
    rows, columns = tiles.shape[2:4]
    for first in range(0, rows, TILE_ROWS):
        last = min(first + TILE_ROWS, rows)
        part = cells[2 * first : 2 * last + 2]
        sums = cells.new_empty(4, last - first, *cells.shape[1:])
        _sums([part[at : at + 2 * (last - first) - 1 : 2] for at in range(4)], sums)
        _sums(
            [sums[:, :, at : at + 2 * columns - 1 : 2] for at in range(4)],
            [tiles[:, at, first:last] for at in range(4)],
        )


def _sums(cells: Sequence[torch.Tensor], out: torch.Tensor | Sequence[torch.Tensor]) -> None:
    a, b, c, d = cells
    torch.sub(a, c, out=out[0])
    torch.add(b, c, out=out[1])
    torch.sub(c, b, out=out[2])
    torch.sub(b, d, out=out[3])


def _filter_sums(taps: torch.Tensor, out: torch.Tensor) -> None:
    """Of three taps the sums that make four filters."""
    a, b, c = taps
    out[0] = a
    torch.add(a, c, out=out[1])
    torch.sub(out[1], b, out=out[2])
    out[1].add_(b)
    out[1:3].mul_(0.5)
    out[3] = c
