"""Linking: scores of detections that know of the neighbouring frames, as post-processing."""

from .link_classifier import LinkClassifier
from .seq_nms import seq_nms
from .tubelets import link_tubelets
from .videos import learn_links, with_seq_nms, with_tubelets

__all__ = [
    "LinkClassifier",
    "learn_links",
    "link_tubelets",
    "seq_nms",
    "with_seq_nms",
    "with_tubelets",
]
