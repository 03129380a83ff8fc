"""Backbones, registered in BACKBONE_REGISTRY."""

from .channel_mapper import ChannelMapper
from .resnet_dc5 import ResNetDC5, build_resnet_dc5_backbone

__all__ = ["ChannelMapper", "ResNetDC5", "build_resnet_dc5_backbone"]
