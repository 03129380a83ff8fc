"""The largest values of every row, the first ones of equals."""

from __future__ import annotations

import torch


def largest_of_rows(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``values.topk(count, dim=1)`` that takes the first of equal values.

    ``topk`` takes any, which differs between versions, devices and runtimes. Cells of a map where
    a single channel is active all have the same direction: their cosines are equal, their features
    are not. On other devices than CPUs, where looking for ties would wait for the device, it is
    ``topk``.

    Args:
        values: (N, L).
        count: K, all L if there are fewer.

    Returns:
        values, falling, and their positions, (N, K) each.
    """
    length = values.shape[1]
    count = min(count, length)
    if torch.jit.is_scripting():
        index = first_largest_of_rows(values, count)
        return values.gather(1, index), index
    if values.device.type != "cpu":
        return values.topk(count, dim=1)
    with torch.no_grad():
        largest, index = values.topk(min(count + 1, length), dim=1)
        tied = largest[:, count - 1] == largest[:, -1]
        if count < length and bool(tied.any()):
            index[tied, :count] = first_largest_of_rows(values[tied], count)
    index = index[:, :count]
    return values.gather(1, index), index


def first_largest_of_rows(values: torch.Tensor, count: int) -> torch.Tensor:
    """The positions that :func:`largest_of_rows` finds, without a branch: slower, exportable.

    Args:
        values: (N, L).
        count: K, L at most.

    Returns:
        (N, K).
    """
    found = []
    for _ in range(count):
        found.append(values.argmax(dim=1, keepdim=True))  # the first one
        values = values.scatter(1, found[-1], float("-inf"))
    return torch.cat(found, dim=1)
