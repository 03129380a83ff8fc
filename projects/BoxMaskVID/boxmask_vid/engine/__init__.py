"""Training, evaluation, prediction."""

from .launch import run
from .setup import argument_parser, build_cfg, errors_in_one_line
from .trainer import Trainer

__all__ = ["Trainer", "argument_parser", "build_cfg", "errors_in_one_line", "run"]
