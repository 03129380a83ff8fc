"""Hooks of the training loop."""

from __future__ import annotations

import logging
import os
import signal

import torch
from detectron2.engine import HookBase
from detectron2.utils import comm

logger = logging.getLogger(__name__)


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


class SaveOnInterrupt(HookBase):
    """Stops on the first Ctrl-C (or SIGTERM) after the iteration, and writes a checkpoint.

    The second one stops at once. For one process; several processes would not agree on the
    iteration, and keep their periodic checkpoints.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def before_train(self) -> None:
        self._requested = False
        self._process = os.getpid()
        self._previous = {number: signal.signal(number, self._request) for number in self.SIGNALS}

    def after_step(self) -> None:
        if self._requested:
            self.trainer.checkpointer.save(f"model_{self.trainer.iter:07d}")
            logger.info(
                f"Stopped after iteration {self.trainer.iter}; continue with --resume and "
                f"OUTPUT_DIR {self.trainer.cfg.OUTPUT_DIR}."
            )
            raise KeyboardInterrupt

    def after_train(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:
            return  # a loader worker, which got the signal and this handler, too
        self._requested = True
        logger.info("Stopping after this iteration; interrupt again to stop at once.")
        self.after_train()  # the previous handlers are back
