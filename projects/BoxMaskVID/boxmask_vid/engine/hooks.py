"""Hooks of the training loop."""

from __future__ import annotations

import torch
from detectron2.engine import HookBase
from detectron2.utils import comm


class SeedEachIteration(HookBase):
    """Seeds PyTorch in each iteration by seed, iteration and rank.

    A training that was interrupted and resumed then samples the same anchors and proposals as one
    that was not.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_step(self) -> None:
        step = self.trainer.iter * comm.get_world_size() + comm.get_rank()
        torch.manual_seed((self.seed * 1_000_003 + step) % 2**63)
