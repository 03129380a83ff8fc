"""Proposals, registered in PROPOSAL_GENERATOR_REGISTRY and ANCHOR_GENERATOR_REGISTRY."""

from .precise_anchor_generator import PreciseAnchorGenerator
from .video_rpn import VideoRPN

__all__ = ["PreciseAnchorGenerator", "VideoRPN"]
