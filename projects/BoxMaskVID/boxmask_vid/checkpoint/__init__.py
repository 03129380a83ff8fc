"""Checkpoints."""

from .checkpointer import VIDCheckpointer

__all__ = ["VIDCheckpointer"]
