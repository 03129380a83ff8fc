"""The papers' modules with the same parameters and output, faster: one door, ``accelerate``.

Every choice between CPU and GPU, and every trick, is in here.
"""

from .accelerate import accelerate, restore

__all__ = ["accelerate", "restore"]
