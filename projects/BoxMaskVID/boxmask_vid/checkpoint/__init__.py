"""Checkpoints."""

from .checkpointer import VIDCheckpointer
from .mmtracking import convert_checkpoint, convert_mmtracking
from .zoo import fetch_once, find_checkpoint

__all__ = [
    "VIDCheckpointer",
    "convert_checkpoint",
    "convert_mmtracking",
    "fetch_once",
    "find_checkpoint",
]
