"""Backbones, registered in BACKBONE_REGISTRY."""

from .channel_mapped_backbone import ChannelMappedBackbone
from .channel_mapper import ChannelMapper
from .resnet_dc5 import build_resnet_dc5_backbone

__all__ = ["ChannelMappedBackbone", "ChannelMapper", "build_resnet_dc5_backbone"]
