"""Evaluation: scorers over columns, and their input."""

from .agreement import Agreement, agreement
from .average_precision import all_points, at_101_recalls, average_precisions, mean_over_classes
from .coco import CocoMatching
from .detection_file import read_detections, write_detections
from .detection_log import DetectionLog
from .detections import Detections
from .ground_truth import GroundTruth
from .matching import Matches
from .motion import motion_iou
from .motion_scorers import match_ilsvrc, match_mega
from .scores import SCORERS, Metric, Scores, score
from .vid_evaluator import VIDEvaluator

__all__ = [
    "SCORERS",
    "Agreement",
    "CocoMatching",
    "DetectionLog",
    "Detections",
    "GroundTruth",
    "Matches",
    "Metric",
    "Scores",
    "VIDEvaluator",
    "agreement",
    "all_points",
    "at_101_recalls",
    "average_precisions",
    "match_ilsvrc",
    "match_mega",
    "mean_over_classes",
    "motion_iou",
    "read_detections",
    "score",
    "write_detections",
]
