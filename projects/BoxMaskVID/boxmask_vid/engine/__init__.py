"""Training, evaluation, prediction."""

from .launch import run
from .setup import argument_parser, bad_input_in_one_line, build_cfg
from .trainer import Trainer

__all__ = ["Trainer", "argument_parser", "bad_input_in_one_line", "build_cfg", "run"]
