"""A network for images with a 3x3 channel mapper behind its last map.

Input (N, 3, H, W); output ``{"c5": (N, C, H / 16, W / 16)}`` for a network of stride 16.
"""

from __future__ import annotations

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn

from .channel_mapper import ChannelMapper


class ChannelMappedBackbone(Backbone):
    """A bottom-up network whose last map is reduced by one convolution with ReLU.

    The attention modules compare every RoI cell with every position of the map: the channel
    mapper makes that 512 channels instead of 2048.
    """

    def __init__(
        self,
        *,
        bottom_up: Backbone,
        in_feature: str,
        out_channels: int,
        size_divisibility: int,
        freeze_bn_statistics: bool,
    ) -> None:
        """
        Args:
            bottom_up: network with the feature ``in_feature``.
            in_feature: name of its map, e.g. "res5".
            out_channels: C.
            size_divisibility: images are zero-padded to a multiple of this many pixels.
            freeze_bn_statistics: batch norm uses its stored statistics in training, too; its
                affine parameters are trained all the same.
        """
        super().__init__()
        self.bottom_up = bottom_up
        self.in_feature = in_feature
        shape = bottom_up.output_shape()[in_feature]
        self.channel_mapper = ChannelMapper(shape.channels, out_channels)
        self._output = ShapeSpec(channels=out_channels, stride=shape.stride)
        self._size_divisibility = size_divisibility
        self.freeze_bn_statistics = freeze_bn_statistics

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"c5": self.channel_mapper(self.bottom_up(images)[self.in_feature])}

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {"c5": self._output}

    @property
    def size_divisibility(self) -> int:
        return self._size_divisibility

    def train(self, mode: bool = True) -> ChannelMappedBackbone:
        super().train(mode)
        if self.freeze_bn_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
