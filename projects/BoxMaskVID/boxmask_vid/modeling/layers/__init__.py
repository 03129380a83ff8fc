"""Tensor modules without Detectron2 types."""

from .frame_cells import FrameCells
from .largest_of_rows import first_largest_of_rows, largest_of_rows
from .roi_align_weights import roi_align_weights
from .selsa_aggregator import SelsaAggregator
from .temporal_roi_align import TemporalROIAlign
from .weighted_rows import WeightedRows

__all__ = [
    "FrameCells",
    "SelsaAggregator",
    "TemporalROIAlign",
    "WeightedRows",
    "first_largest_of_rows",
    "largest_of_rows",
    "roi_align_weights",
]
