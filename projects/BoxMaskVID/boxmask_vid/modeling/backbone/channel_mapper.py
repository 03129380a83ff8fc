"""The 3x3 convolution behind a backbone."""

from __future__ import annotations

from detectron2.layers import Conv2d
from torch import nn


class ChannelMapper(Conv2d):
    """3x3 with padding and ReLU: (N, C, H, W) to (N, D, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, activation=nn.ReLU())
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
