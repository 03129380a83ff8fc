"""Evaluation."""

from .vid_evaluator import VIDEvaluator

__all__ = ["VIDEvaluator"]
