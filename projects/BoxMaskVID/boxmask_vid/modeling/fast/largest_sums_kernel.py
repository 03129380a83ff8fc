"""Kernel of :mod:`.largest_sums`, compiled by Numba when it is first used, and cached.

Sums are rounded as PyTorch's ``embedding_bag`` rounds them, to the bit: with fused multiply-add in
float32, without in float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numba
import numpy as np

LANES = 64  # columns of the table that a row of sums is folded into, to find its largest


def _compiled(function: Callable, *flags: str) -> Callable:
    compiled = functools.partial(numba.njit, nogil=True, error_model="numpy", fastmath=set(flags))
    try:
        return compiled(cache=True)(function)
    except RuntimeError:  # no folder for the cache can be written
        return compiled()(function)


@numba.njit
def _is_before(value, position, other, other_position):  # noqa: ANN001, ANN202  # compiled
    return value > other or (value == other and position < other_position)


@numba.njit
def _insert(values, index, value, position):  # noqa: ANN001, ANN202
    """Into the sorted K largest, the first of equals before the others."""
    place = len(values) - 1
    if not _is_before(value, position, values[place], index[place]):
        return
    while place and _is_before(value, position, values[place - 1], index[place - 1]):
        values[place], index[place] = values[place - 1], index[place - 1]
        place -= 1
    values[place], index[place] = value, position


@numba.njit
def _largest_of_lanes(folded, largest):  # noqa: ANN001, ANN202
    blocks, lanes = folded.shape
    largest[:] = -np.inf
    for block in range(0, blocks - 3, 4):
        for lane in range(lanes):
            pair = max(folded[block, lane], folded[block + 1, lane])
            pair = max(pair, max(folded[block + 2, lane], folded[block + 3, lane]))
            largest[lane] = max(largest[lane], pair)
    for block in range(blocks - blocks % 4, blocks):
        for lane in range(lanes):
            largest[lane] = max(largest[lane], folded[block, lane])


@numba.njit
def _search(row, folded, largest, values, index):  # noqa: ANN001, ANN202
    """The K largest of a row are in lanes whose largest is not below the K-th of the lanes."""
    blocks, lanes = folded.shape
    _largest_of_lanes(folded, largest)
    values[:], index[:] = -np.inf, len(row)
    for lane in range(lanes):
        if largest[lane] > values[-1]:
            _insert(values, index, largest[lane], lane)
    least = values[-1]
    values[:], index[:] = -np.inf, len(row)
    for lane in range(lanes):
        if largest[lane] >= least:
            for block in range(blocks):
                if folded[block, lane] >= least:
                    _insert(values, index, folded[block, lane], block * lanes + lane)
    for column in range(blocks * lanes, len(row)):
        if row[column] >= values[-1]:
            _insert(values, index, row[column], column)
    index[:] = np.minimum(index, len(row) - 1)  # where all are NaN, which is before nothing


def _largest_sums(table, entries, weights, offsets, begin, end, values, index):  # noqa: ANN001, ANN202
    length = table.shape[1]
    row = np.empty(length, table.dtype)
    folded = row[: length // LANES * LANES].reshape(length // LANES, LANES)
    largest = np.empty(LANES, table.dtype)
    for cell in range(begin, end):
        entry = offsets[cell]
        last = offsets[cell + 1] if cell + 1 < len(offsets) else len(entries)
        row[:] = 0
        while entry + 1 < last:  # two rows at a time
            first, second = weights[entry], weights[entry + 1]
            one, other = table[entries[entry]], table[entries[entry + 1]]
            for column in range(length):
                row[column] = row[column] + first * one[column] + second * other[column]
            entry += 2
        if entry < last:
            first, one = weights[entry], table[entries[entry]]
            for column in range(length):
                row[column] = row[column] + first * one[column]
        _search(row, folded, largest, values[cell], index[cell])


KERNELS = {
    "float32": _compiled(_largest_sums, "contract"),
    "float64": _compiled(_largest_sums),
}
