"""``topk`` that takes the first of equal values.

Part of accelerated Temporal RoI Align.
"""

from __future__ import annotations

import torch

from ..layers.temporal_roi_align import first_largest


def stable_topk(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``values.topk(count, dim=1)`` that takes the first of equal values.

    On other devices than CPUs, where a check for ties would wait for the device, it is ``topk``.

    Args:
        values: (N, L).
        count: K, all L if there are fewer.

    Returns:
        values, falling, and their positions, (N, K) each.
    """
    length = values.shape[1]
    count = min(count, length)
    if values.device.type != "cpu":
        return values.topk(count, dim=1)
    with torch.no_grad():
        largest, index = values.topk(min(count + 1, length), dim=1)
        tied = largest[:, count - 1] == largest[:, -1]
        if count < length and bool(tied.any()):
            index[tied, :count] = first_largest(values[tied], count)
    index = index[:, :count]
    return values.gather(1, index), index
