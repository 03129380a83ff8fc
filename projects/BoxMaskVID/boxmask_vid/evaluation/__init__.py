"""Evaluation: scorers over columns, and what feeds them."""

from .detection_file import read_detections, write_detections
from .detection_log import DetectionLog
from .detections import Detections
from .ground_truth import GroundTruth
from .motion import motion_iou
from .scores import SCORERS, Metric, Scores, score
from .vid_evaluator import VIDEvaluator

__all__ = [
    "SCORERS",
    "DetectionLog",
    "Detections",
    "GroundTruth",
    "Metric",
    "Scores",
    "VIDEvaluator",
    "motion_iou",
    "read_detections",
    "score",
    "write_detections",
]
