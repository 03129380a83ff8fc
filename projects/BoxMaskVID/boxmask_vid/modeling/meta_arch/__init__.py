"""Meta-architectures, registered in META_ARCH_REGISTRY."""

from .video_rcnn import VideoRCNN

__all__ = ["VideoRCNN"]
