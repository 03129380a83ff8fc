"""Tensor modules without Detectron2 types."""

from .frame_cells import FrameCells
from .roi_align_weights import roi_align_weights
from .selsa_aggregator import SelsaAggregator
from .temporal_roi_align import TemporalROIAlign
from .weighted_rows import WeightedRows

__all__ = [
    "FrameCells",
    "SelsaAggregator",
    "TemporalROIAlign",
    "WeightedRows",
    "roi_align_weights",
]
