"""Hooks of the training loop: which checkpoints are kept, and a word before a training diverges."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from detectron2.checkpoint import Checkpointer
from detectron2.engine import HookBase
from detectron2.engine.hooks import PeriodicCheckpointer

from ..checkpoint.resuming import BEST, own_checkpoints
from ..errors import InputError
from .validation import check_metric

logger = logging.getLogger(__name__)

HIGH_LOSS = 1000.0  # losses of detectors start at about 10


class KeepNewest(PeriodicCheckpointer):
    """``PeriodicCheckpointer`` that keeps the newest checkpoints, those before a resume counted."""

    def __init__(self, checkpointer: Checkpointer, period: int, *, keep: int = 0) -> None:
        """
        Args:
            checkpointer: what saves.
            period: number of iterations between two checkpoints.
            keep: number of checkpoints that are kept besides the final and the best one; 0: all.

        Raises:
            InputError: if ``keep`` is negative.
        """
        if keep < 0:
            raise InputError(f"SOLVER.CHECKPOINT_KEEP is {keep}: use 0 to keep all, or a number.")
        super().__init__(checkpointer, period)
        self._keep = keep
        self._saved: list[Path] = []  # oldest first

    def before_train(self) -> None:
        super().before_train()
        if self._keep and self.trainer.start_iter > 0:
            states = own_checkpoints(Path(self.checkpointer.save_dir), self.trainer.training_id)
            first_iterations = (s.path for s in states if s.iteration < self.trainer.start_iter)
            self._saved = [p for p in first_iterations if p.stem.removeprefix("model_").isdigit()]

    def step(self, iteration: int, **kwargs: object) -> None:
        super().step(iteration, **kwargs)
        if self._keep and (iteration + 1) % self.period == 0:
            path = Path(self.checkpointer.save_dir, f"{self.file_prefix}_{iteration:07d}.pth")
            self._saved.append(path)
            for old in self._saved[: -self._keep]:  # after the new one is on the disk
                old.unlink(missing_ok=True)
            del self._saved[: -self._keep]


class SaveBest(HookBase):
    """Saves the model of the best evaluation as ``model_best.pth``, also across resumes.

    It comes after the hook of the evaluation.
    """

    def __init__(self, checkpointer: Checkpointer, period: int, metric: str) -> None:
        """
        Args:
            checkpointer: what saves.
            period: ``TEST.EVAL_PERIOD``, the number of iterations between two evaluations.
            metric: name of a metric of which more is better, e.g. "bbox/AP50".
        """
        self._checkpointer, self._period, self._metric = checkpointer, period, metric
        self._best = -math.inf

    def before_train(self) -> None:
        if self.trainer.start_iter == 0:
            return
        for state in own_checkpoints(Path(self._checkpointer.save_dir), self.trainer.training_id):
            if state.path.stem == BEST and state.best.get("metric") == self._metric:
                self._best = state.best["value"]
                logger.info(
                    f"The best {self._metric} so far is {self._best:.3f}, after iteration "
                    f"{state.iteration}."
                )

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._compare()

    def after_train(self) -> None:
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._compare()

    def _compare(self) -> None:
        latest = self.trainer.storage.latest()
        check_metric(self._metric, latest)
        value = float(latest[self._metric][0])
        if value > self._best:  # not if it is NaN
            self._best = value
            best = {"metric": self._metric, "value": value}
            self._checkpointer.save(BEST, is_last=False, best=best)
            logger.info(f"{self._metric} {value:.3f} is the best so far: saved {BEST}.pth.")


class WarnOfDivergence(HookBase):
    """Logs a warning when the loss is far above that of any training, each time it grew tenfold."""

    def __init__(self) -> None:
        self._limit = HIGH_LOSS

    def after_step(self) -> None:
        loss = self.trainer.storage.latest().get("total_loss", (0.0, 0))[0]
        if loss > self._limit:
            self._limit = 10 * loss
            logger.warning(
                f"The loss is {loss:.3g} in iteration {self.trainer.iter}: the training diverges; "
                f"lower SOLVER.BASE_LR ({self.trainer.cfg.SOLVER.BASE_LR}) or clip gradients "
                "(SOLVER.CLIP_GRADIENTS)."
            )
