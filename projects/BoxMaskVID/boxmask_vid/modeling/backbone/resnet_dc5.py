"""ResNet with a dilated fifth stage (DC5, output stride 16) and a channel mapper."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, build_resnet_backbone

from ...errors import InputError
from .channel_mapped_backbone import ChannelMappedBackbone


@BACKBONE_REGISTRY.register()
def build_resnet_dc5_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ChannelMappedBackbone:
    """ResNet or ResNeXt of ``MODEL.RESNETS`` with the channel mapper of ``MODEL.VID.NECK``.

    Raises:
        InputError: if MODEL.RESNETS.RES5_DILATION is not 2 or OUT_FEATURES is not one map.
    """
    resnets = cfg.MODEL.RESNETS
    if resnets.RES5_DILATION != 2 or len(resnets.OUT_FEATURES) != 1:
        raise InputError(
            "build_resnet_dc5_backbone: MODEL.RESNETS.RES5_DILATION must be 2 and "
            f"OUT_FEATURES one map, got {resnets.RES5_DILATION} and {resnets.OUT_FEATURES}."
        )
    return ChannelMappedBackbone(
        bottom_up=build_resnet_backbone(cfg, input_shape),
        in_feature=resnets.OUT_FEATURES[0],
        out_channels=cfg.MODEL.VID.NECK.OUT_CHANNELS,
        size_divisibility=cfg.INPUT.VID.SIZE_DIVISIBILITY,
        freeze_bn_statistics=cfg.MODEL.VID.FREEZE_BN_STATISTICS,
    )
