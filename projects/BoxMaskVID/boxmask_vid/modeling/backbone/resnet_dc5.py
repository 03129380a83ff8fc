"""ResNet with a dilated fifth stage (DC5, output stride 16) and a 3x3 channel mapper.

Input (N, 3, H, W); output ``{"c5": (N, C, H / 16, W / 16)}``.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone, build_resnet_backbone
from torch import nn

from .channel_mapper import ChannelMapper
from .lean_conv import with_lean_convs


class ResNetDC5(Backbone):
    """A bottom-up network whose last map is reduced by one convolution with ReLU.

    The attention modules compare every RoI cell with every position of the map: the channel
    mapper makes that 512 channels instead of 2048.
    """

    channel_mapper_type = ChannelMapper

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
        self.channel_mapper = self.channel_mapper_type(shape.channels, out_channels)
        self._output = ShapeSpec(channels=out_channels, stride=shape.stride)
        self._size_divisibility = size_divisibility
        self.freeze_bn_statistics = freeze_bn_statistics

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"c5": self.channel_mapper(self.bottom_up(self._in_order(images))[self.in_feature])}

    def _in_order(self, images: torch.Tensor) -> torch.Tensor:
        """In the order of memory that convolutions are fastest with."""
        if images.device.type != "cpu":
            return images
        return images.contiguous(memory_format=torch.channels_last)

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {"c5": self._output}

    @property
    def size_divisibility(self) -> int:
        return self._size_divisibility

    def train(self, mode: bool = True) -> ResNetDC5:
        super().train(mode)
        if self.freeze_bn_statistics:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    @classmethod
    def from_config(cls, cfg: CfgNode, bottom_up: Backbone) -> ResNetDC5:
        """
        Raises:
            ValueError: if MODEL.RESNETS.RES5_DILATION is not 2 or OUT_FEATURES is not one map.
        """
        resnets = cfg.MODEL.RESNETS
        if resnets.RES5_DILATION != 2 or len(resnets.OUT_FEATURES) != 1:
            raise ValueError(
                "build_resnet_dc5_backbone: MODEL.RESNETS.RES5_DILATION must be 2 and "
                f"OUT_FEATURES one map, got {resnets.RES5_DILATION} and {resnets.OUT_FEATURES}."
            )
        return cls(
            bottom_up=bottom_up,
            in_feature=resnets.OUT_FEATURES[0],
            out_channels=cfg.MODEL.VID.NECK.OUT_CHANNELS,
            size_divisibility=cfg.INPUT.VID.SIZE_DIVISIBILITY,
            freeze_bn_statistics=cfg.MODEL.VID.FREEZE_BN_STATISTICS,
        )


@BACKBONE_REGISTRY.register()
def build_resnet_dc5_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNetDC5:
    """ResNet or ResNeXt of ``MODEL.RESNETS`` with the channel mapper of ``MODEL.VID.NECK``."""
    bottom_up = build_resnet_backbone(cfg, input_shape)
    backbone = ResNetDC5.from_config(cfg, with_lean_convs(bottom_up))
    if cfg.MODEL.DEVICE == "cpu":
        backbone.to(memory_format=torch.channels_last)  # weights in the order of the maps
    return backbone
