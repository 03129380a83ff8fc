"""RoIAlign as a sparse matrix from the positions of a map to the cells of RoIs.

Part of accelerated RoIAlign and Temporal RoI Align.
"""

from __future__ import annotations

import torch


def roi_align_weights(
    boxes: torch.Tensor,
    *,
    map_size: tuple[int, int],
    output_size: int,
    spatial_scale: float,
    sampling_ratio: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions and weights of ``torchvision.ops.roi_align(..., aligned=True)``.

    Args:
        boxes: (R, 4) ``x1, y1, x2, y2`` in pixels.
        map_size: h, w.
        output_size: P.
        spatial_scale: cells of the map for each pixel.
        sampling_ratio: samples along each side of a RoI cell; 0 for as many as it is large.

    Returns:
        position in the flattened map (int32) and weight, (R, P, P, n) each. A position that a
        cell needs several times has all its weight at the first of them.
    """
    height, width = map_size
    scaled = boxes * spatial_scale
    columns, along_x = _axis_weights(scaled[:, 0::2], width, output_size, sampling_ratio)
    rows, along_y = _axis_weights(scaled[:, 1::2], height, output_size, sampling_ratio)
    position = rows[:, :, None, :, None] * width + columns[:, None, :, None, :]
    weight = along_y[:, :, None, :, None] * along_x[:, None, :, None, :]
    return position.flatten(3), weight.flatten(3)


def _axis_weights(
    interval: torch.Tensor, length: int, bins: int, sampling_ratio: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same along one axis of ``length`` positions: (R, 2) intervals -> (R, bins, n) each."""
    bin_size = (interval[:, 1] - interval[:, 0])[:, None, None] / bins
    samples = torch.full_like(bin_size, sampling_ratio) if sampling_ratio else bin_size.ceil()
    most = sampling_ratio or int(samples.max() if len(samples) else 0)
    count = samples.clamp(min=1)
    sample = torch.arange(most, device=interval.device)
    index = torch.arange(bins, device=interval.device)[:, None]
    at = interval[:, :1, None] - 0.5 + index * bin_size + (sample + 0.5) * bin_size / count
    counted = (at >= -1) & (at <= length) & (sample < samples)
    at = at.clamp(min=0)
    low = at.floor().clamp(max=length - 1)
    high = (low + 1).clamp(max=length - 1)
    fraction = torch.where(low < length - 1, at - low, 0)
    position = torch.stack([low, high], dim=-1).flatten(2).int()
    share = counted / count  # of one sample in its cell
    weight = torch.stack([(1 - fraction) * share, fraction * share], dim=-1).flatten(2)
    return position, _merged(position, weight)


def _merged(position: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """All the weight of a position at its first entry, (..., n) each."""
    same = position[..., :, None] == position[..., None, :]
    first = ~same.tril(-1).any(dim=-1)
    return (same * weight[..., None, :]).sum(dim=-1) * first
