"""Training, evaluation, prediction."""

from .launch import run
from .predictor import VideoPredictor
from .setup import add_model_options, argument_parser, build_cfg, errors_in_one_line
from .trainer import Trainer

__all__ = [
    "Trainer",
    "VideoPredictor",
    "add_model_options",
    "argument_parser",
    "build_cfg",
    "errors_in_one_line",
    "run",
]
