"""Linking: scores of detections that know of the neighbouring frames, as post-processing."""

from .link_classifier import LinkClassifier
from .seq_nms import seq_nms
from .tubelets import link_tubelets

__all__ = ["LinkClassifier", "link_tubelets", "seq_nms"]
