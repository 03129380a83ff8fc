"""Ctrl-C, SIGTERM and SIGHUP in a training: it stops where it can be continued."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from detectron2.engine import HookBase
from detectron2.utils import comm

logger = logging.getLogger(__name__)


class StopRequest:
    """Request to stop, of a user or of a cluster, that all processes of a training share."""

    def __init__(self) -> None:
        self.made = False
        self.tell: Callable[[], None] | None = None  # asks the other processes

    def make(self) -> None:
        """Stop this process as soon as its work can be continued later."""
        self.made = True

    def agreed(self) -> bool:
        """Tell whether any process was asked to stop; all processes call it together."""
        self.made = any(comm.all_gather(self.made))
        return self.made


stop_request = StopRequest()


def ending_signals() -> list[signal.Signals]:
    """SIGTERM, and SIGHUP of a terminal that is closed, unless it is ignored, as nohup asks for."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return [signal.SIGTERM]
    return [signal.SIGTERM, signal.SIGHUP]


class SaveOnInterrupt(HookBase):
    """Stops on the first Ctrl-C, SIGTERM or SIGHUP after the iteration, and writes a checkpoint.

    Several processes agree on the iteration; those that got no signal stop, too. A second Ctrl-C
    stops at once. A second SIGTERM does nothing: a signal to a group arrives more than once.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._finished = -1  # the last iteration of which the step is complete

    def before_train(self) -> None:
        self._process, self._ctrl_c = os.getpid(), 0
        stop_request.made = False
        numbers = signal.SIGINT, *ending_signals()
        self._previous = {number: signal.signal(number, self._request) for number in numbers}

    def after_step(self) -> None:
        self._finished = self.trainer.iter
        last = self.trainer.iter + 1 == self.trainer.max_iter  # model_final is written
        if stop_request.agreed() and not last:
            raise KeyboardInterrupt

    def after_train(self) -> None:
        if stop_request.made and self._finished == self.trainer.iter:
            self._save()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _save(self) -> None:
        self.trainer.checkpointer.save(f"model_{self.trainer.iter:07d}")
        comm.synchronize()  # nobody leaves before it is written
        logger.info(
            f"Stopped after iteration {self.trainer.iter}; continue with --resume and "
            f"OUTPUT_DIR {self.trainer.cfg.OUTPUT_DIR}."
        )

    def _request(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:
            return  # a loader worker, which got the signal and this handler, too
        self._ctrl_c += number == signal.SIGINT
        if self._ctrl_c > 1:
            raise KeyboardInterrupt
        if stop_request.made:  # also where another process was faster with the same Ctrl-C
            return
        stop_request.make()
        if stop_request.tell:
            stop_request.tell()
        logger.info("Stopping after this iteration; interrupt again to stop at once.")


class StoppableLoader:
    """Batches of a loader for an evaluation in a training, until the training is to stop."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[list[dict]]:
        """Yield batches; raise KeyboardInterrupt, in all processes, if any was asked to stop."""
        for batch in self.loader:
            if stop_request.made:
                break
            yield batch
        if stop_request.agreed():
            raise KeyboardInterrupt
