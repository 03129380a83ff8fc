"""Data structures: boxes filled as masks."""

from .box_masks import BoxMasks

__all__ = ["BoxMasks"]
