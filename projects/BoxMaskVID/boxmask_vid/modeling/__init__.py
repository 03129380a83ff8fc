"""The models; importing this registers all parts with Detectron2."""

from .backbone import ResNetDC5
from .meta_arch import VideoRCNN
from .online_references import OnlineReferences
from .plain import PlainVideoRCNN, plain_config
from .proposal_generator import PreciseAnchorGenerator, VideoRPN
from .reference_memory import ReferenceMemory, References
from .roi_heads import BoxMaskHead, SelsaBoxHead, TemporalROIHeads, VideoOutputLayers

__all__ = [
    "BoxMaskHead",
    "OnlineReferences",
    "PlainVideoRCNN",
    "PreciseAnchorGenerator",
    "ReferenceMemory",
    "References",
    "ResNetDC5",
    "SelsaBoxHead",
    "TemporalROIHeads",
    "VideoOutputLayers",
    "VideoRCNN",
    "VideoRPN",
    "plain_config",
]
