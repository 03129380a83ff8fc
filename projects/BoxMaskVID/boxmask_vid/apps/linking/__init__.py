"""Linking: post-processing of detections that uses the neighbouring frames."""

from .command import argument_parser, run
from .link_classifier import LinkClassifier
from .seq_nms import seq_nms
from .track_linker import TrackLinker
from .tubelets import link_tubelets
from .videos import learn_links, with_seq_nms, with_tubelets

__all__ = [
    "LinkClassifier",
    "TrackLinker",
    "argument_parser",
    "learn_links",
    "link_tubelets",
    "run",
    "seq_nms",
    "with_seq_nms",
    "with_tubelets",
]
