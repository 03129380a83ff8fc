"""Knowing when to stop: losses on the test set, and the end of a training that does not improve."""

from __future__ import annotations

import difflib
import logging
import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.engine import HookBase
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from torch.nn.modules.batchnorm import _BatchNorm

from ..data import TimedLoader, build_vid_loss_loader
from ..errors import InputError
from .interrupts import StoppableLoader

logger = logging.getLogger(__name__)

DEFAULT_METRIC = "bbox/AP50"


def check_metric(name: str, known: Collection[str]) -> None:
    """Raise InputError if a metric is none of those that are known."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=5, cutoff=0.3)
        raise InputError(
            f"The evaluation has no metric '{name}' (TEST.BEST_METRIC; without it TEST.PATIENCE "
            f"takes {DEFAULT_METRIC}): use one of its metrics, like "
            f"{', '.join(close or known)}."
        )


class EarlyStop(BaseException):  # Detectron2 logs an Exception as a failure
    """End of a training that does not improve any more."""


class ValidationLoss(HookBase):
    """Computes the losses of training on ``DATASETS.TEST``, as ``validation/loss_...``.

    The frames, their references and the sampled boxes are the same each time, and nothing is
    augmented; batch norm uses its running statistics.
    """

    def __init__(self, cfg: CfgNode, period: int) -> None:
        """
        Args:
            cfg: config of the training.
            period: number of iterations between two computations.

        Raises:
            InputError: if there is no test set, or one without boxes.
        """
        if not cfg.DATASETS.TEST:
            raise InputError("TEST.LOSS_PERIOD needs a test set: name one in DATASETS.TEST.")
        self._period = period
        self._loaders = [
            StoppableLoader(TimedLoader(build_vid_loss_loader(cfg, name)))
            for name in cfg.DATASETS.TEST
        ]

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if done % self._period and done != self.trainer.max_iter:
            return
        model = self.trainer.model
        module = getattr(model, "module", model)  # that of DistributedDataParallel
        with _losses_only(module), EventStorage():
            sums = [
                {name: loss.item() for name, loss in module(batch).items()}
                for loader in self._loaders
                for batch in loader
            ]
        rows = [row for part in comm.all_gather(sums) for row in part]
        means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        means["total_loss"] = sum(means.values())
        self.trainer.storage.put_scalars(
            **{f"validation/{name}": mean for name, mean in means.items()}, smoothing_hint=False
        )
        logger.info(
            f"Loss on {len(rows)} frames of the test set after iteration {self.trainer.iter}: "
            f"{means['total_loss']:.4f}"
        )


class StopWithoutImprovement(HookBase):
    """Ends the training when a metric has not improved for a number of evaluations.

    It comes after the hook of the evaluation, and counts across resumes; an evaluation in the
    iteration of the checkpoint that a resume starts from is not counted.
    """

    def __init__(self, metric: str, patience: int, period: int) -> None:
        """
        Args:
            metric: name of a metric of which more is better; "" for AP50.
            patience: number of evaluations.
            period: number of iterations between two evaluations.

        Raises:
            InputError: if nothing is evaluated in the training.
        """
        if period <= 0:
            raise InputError(
                f"TEST.PATIENCE is {patience}, but nothing is evaluated during the training: set "
                "TEST.EVAL_PERIOD."
            )
        self._metric, self._patience, self._period = metric or DEFAULT_METRIC, patience, period
        self._best, self._waited = -math.inf, 0

    def before_train(self) -> None:
        if self._waited >= self._patience:
            self._stop()

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if done % self._period or done == self.trainer.max_iter:
            return
        latest = self.trainer.storage.latest()
        if comm.is_main_process():  # only rank 0 has metrics
            check_metric(self._metric, latest)
        value = comm.all_gather(latest.get(self._metric, (math.nan, 0))[0])[0]
        improved = value > self._best
        self._best, self._waited = max(self._best, value), 0 if improved else self._waited + 1
        if self._waited >= self._patience:
            if comm.is_main_process():
                self.trainer.checkpointer.save("model_final")
            self._stop()

    def state_dict(self) -> dict:
        return {"metric": self._metric, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict) -> None:
        """Continue to count, unless it was another metric that counted."""
        if state["metric"] == self._metric:
            self._best, self._waited = state["best"], state["waited"]

    def _stop(self) -> None:
        logger.info(
            f"Stopped early: {self._metric} was {self._best:.3f} and has not improved in "
            f"{self._waited} evaluations; raise TEST.PATIENCE ({self._patience}) to continue."
        )
        raise EarlyStop


@contextmanager
def _losses_only(model: torch.nn.Module) -> Iterator[None]:
    """Training mode in which nothing is learned, and the random numbers are the same each time."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with torch.no_grad(), torch.random.fork_rng(devices):
            torch.manual_seed(0)
            yield
    finally:
        for norm in norms:
            norm.train()
