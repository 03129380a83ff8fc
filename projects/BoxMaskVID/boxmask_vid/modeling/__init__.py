"""The models; importing this registers all parts with Detectron2."""

from .backbone import ChannelMappedBackbone, TorchvisionBackbone
from .fast import accelerate
from .meta_arch import VideoRCNN
from .proposal_generator import VideoRPN
from .reference_memory import ReferenceMemory
from .roi_heads import (
    BoxMaskHead,
    ReferenceBoxHead,
    SelsaBoxHead,
    TemporalROIHeads,
    VideoOutputLayers,
)

__all__ = [
    "BoxMaskHead",
    "ChannelMappedBackbone",
    "ReferenceBoxHead",
    "ReferenceMemory",
    "SelsaBoxHead",
    "TemporalROIHeads",
    "TorchvisionBackbone",
    "VideoOutputLayers",
    "VideoRCNN",
    "VideoRPN",
    "accelerate",
]
