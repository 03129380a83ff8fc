"""Backbones of torchvision for tests."""

from __future__ import annotations

import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn

# the smallest of each family, with the channels of its map
FAMILIES = {
    "resnet18": 256,
    "resnext50_32x4d": 1024,
    "wide_resnet50_2": 1024,
    "regnet_x_400mf": 160,
    "regnet_y_400mf": 208,
    "mobilenet_v2": 96,
    "mobilenet_v3_small": 48,
    "mobilenet_v3_large": 112,
    "efficientnet_b0": 112,
    "efficientnet_v2_s": 160,
    "convnext_tiny": 384,
    "swin_t": 384,
    "swin_v2_t": 384,
}
OTHERS = {"densenet121": 1024, "shufflenet_v2_x0_5": 96, "mnasnet0_5": 48, "vgg11_bn": 512}
LARGE = "resnext50_32x4d", "wide_resnet50_2", "efficientnet_v2_s", "vgg11_bn", "densenet121"


def options(name: str, *opts: object) -> list[object]:
    """Keys and values of a backbone of torchvision."""
    backbone = ("MODEL.BACKBONE.NAME", "build_torchvision_backbone")
    return [*backbone, "MODEL.VID.TORCHVISION.NAME", name, *opts]


def with_statistics(module: nn.Module) -> nn.Module:
    """Batch norms as after a training, so that a forgotten one shows."""
    torch.manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.8, 1.2)
            norm.weight.data.uniform_(0.3, 0.7)
            norm.bias.data.normal_(0, 0.1)
    return module
