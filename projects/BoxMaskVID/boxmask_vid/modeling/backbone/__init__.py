"""Backbones, registered in BACKBONE_REGISTRY."""

from .resnet_dc5 import ResNetDC5, build_resnet_dc5_backbone

__all__ = ["ResNetDC5", "build_resnet_dc5_backbone"]
