"""The papers' modules, equation by equation."""

from .selsa_aggregator import SelsaAggregator
from .temporal_roi_align import TemporalROIAlign

__all__ = ["SelsaAggregator", "TemporalROIAlign"]
