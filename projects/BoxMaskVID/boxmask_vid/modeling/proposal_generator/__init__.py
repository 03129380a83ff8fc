"""Proposals, registered in PROPOSAL_GENERATOR_REGISTRY."""

from .video_rpn import VideoRPN

__all__ = ["VideoRPN"]
