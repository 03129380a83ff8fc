"""RoI heads, registered in ROI_HEADS_REGISTRY, ROI_BOX_HEAD_REGISTRY, ROI_MASK_HEAD_REGISTRY."""

from .boxmask_head import BoxMaskHead
from .reference_box_head import ReferenceBoxHead
from .selsa_box_head import SelsaBoxHead
from .temporal_roi_heads import TemporalROIHeads
from .video_output_layers import VideoOutputLayers

__all__ = [
    "BoxMaskHead",
    "ReferenceBoxHead",
    "SelsaBoxHead",
    "TemporalROIHeads",
    "VideoOutputLayers",
]
