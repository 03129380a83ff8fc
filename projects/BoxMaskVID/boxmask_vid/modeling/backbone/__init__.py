"""Backbones, registered in BACKBONE_REGISTRY."""

from .channel_mapped_backbone import ChannelMappedBackbone
from .channel_mapper import ChannelMapper
from .resnet_dc5 import build_resnet_dc5_backbone
from .torchvision_backbone import TorchvisionBackbone, build_torchvision_backbone
from .torchvision_features import build_classifier

__all__ = [
    "ChannelMappedBackbone",
    "ChannelMapper",
    "TorchvisionBackbone",
    "build_classifier",
    "build_resnet_dc5_backbone",
    "build_torchvision_backbone",
]
