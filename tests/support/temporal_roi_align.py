"""Temporal RoI Align on random maps."""

from collections.abc import Sequence

import torch
from detectron2.layers import ROIAlign
from torchvision.ops import roi_align

from boxmask_vid.modeling.fast.temporal_roi_align import TemporalROIAlignFast
from boxmask_vid.modeling.layers import TemporalROIAlign


def troi(
    kind: type[TemporalROIAlign] = TemporalROIAlignFast,
    *,
    channels: int = 8,
    heads: int = 4,
    ratio: int = 2,
    k: int = 2,
    size: int = 7,
) -> TemporalROIAlign:
    """A module that belongs to RoIAlign of stride 16 to RoIs of ``size`` cells along each side."""
    torch.manual_seed(1)
    layer = TemporalROIAlign(channels=channels, num_most_similar=k, num_heads=heads)
    if kind is TemporalROIAlignFast:
        kind.replace(layer, ROIAlign((size, size), 1 / 16, ratio))
    return layer.double().eval()


def random_boxes(count: int, height: int = 96, width: int = 128) -> torch.Tensor:
    """Boxes (N, 4) of all sizes, some at the border."""
    limit = torch.tensor([width, height] * 2).double()
    centre = torch.rand(count, 2).double().repeat(1, 2) * limit
    half = torch.exp(torch.rand(count, 2).double() * 4.5)
    return (centre + torch.cat([-half, half], dim=1)).clamp(min=torch.zeros(4)).minimum(limit)


def run(
    layer: TemporalROIAlign,
    key: torch.Tensor,
    boxes: torch.Tensor,
    maps: Sequence[torch.Tensor],
    *,
    size: int = 7,
    ratio: int = 2,
) -> torch.Tensor:
    """Temporal RoI Align of a key frame (C, h, w)."""
    rois = roi_align(key[None], [boxes], size, 1 / 16, ratio, aligned=True)
    own, *references = (layer.encode(frame[None])[0] for frame in (key, *maps))
    return layer(rois, boxes, own, references)


def random_maps(references: int, channels: int = 8) -> list[torch.Tensor]:
    """A key frame and references of other sizes."""
    return [
        torch.rand(channels, 6 - number % 3, 8 - number % 2).double()
        for number in range(references + 1)
    ]
