"""Images and ground truth to measure on."""

from __future__ import annotations

import torch
from detectron2.structures import Boxes, Instances

from ...structures import BoxMasks


def random_image(height: int, width: int, seed: int) -> torch.Tensor:
    """(3, H, W) uint8 of noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def random_truth(height: int, width: int) -> Instances:
    """Four objects of the classes 0 to 3."""
    boxes = torch.tensor(
        [[0.1, 0.1, 0.5, 0.6], [0.4, 0.3, 0.9, 0.9], [0.6, 0.1, 0.8, 0.4], [0.05, 0.5, 0.3, 0.95]]
    ) * torch.tensor([width, height, width, height])
    return Instances(
        (height, width),
        gt_boxes=Boxes(boxes),
        gt_classes=torch.arange(4),
        gt_masks=BoxMasks(boxes.round(), (height, width)),
    )
