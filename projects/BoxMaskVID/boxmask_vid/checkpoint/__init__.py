"""Checkpoints."""

from .checkpointer import VIDCheckpointer
from .mmtracking import convert_checkpoint, convert_mmtracking

__all__ = ["VIDCheckpointer", "convert_checkpoint", "convert_mmtracking"]
