"""Tensor modules without Detectron2 types."""

from .selsa_aggregator import SelsaAggregator
from .temporal_roi_align import TemporalROIAlign

__all__ = ["SelsaAggregator", "TemporalROIAlign"]
