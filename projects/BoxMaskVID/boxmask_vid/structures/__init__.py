"""Data structures: boxes filled as masks, and boxes that keep float64."""

from .box_masks import BoxMasks
from .precise_boxes import PreciseBoxes

__all__ = ["BoxMasks", "PreciseBoxes"]
