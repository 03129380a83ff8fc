"""Training steps in mixed precision, and of several batches."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext

import torch
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer, SimpleTrainer
from detectron2.utils import comm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from ..data import next_batch
from ..errors import InputError
from ..precision import HALVES

logger = logging.getLogger(__name__)


class TrainingLoop(SimpleTrainer):
    """``SimpleTrainer`` with gradients of several batches in a step, in mixed precision.

    The gradient of a step is the mean of those of its batches, as data-parallel training has the
    mean of those of its processes. In float16 the loss is scaled, and a step whose gradients
    overflow is left out.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        data_loader: DataLoader,
        optimizer: torch.optim.Optimizer,
        *,
        batches: int = 1,
        precision: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            model, data_loader, optimizer: see ``SimpleTrainer``.
            batches: batches of a step.
            precision: float32, or what autocast computes in.
            device: type of the device of the model.
        """
        super().__init__(model, data_loader, optimizer)
        self._batches, self._precision, self._device = batches, precision, device
        self.grad_scaler = torch.amp.GradScaler(device, enabled=precision == torch.float16)

    def run_step(self) -> None:
        assert self.model.training
        self.optimizer.zero_grad()  # before the forward pass, which then has its memory
        means: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(()))
        waited = 0.0
        for number in range(1, self._batches + 1):
            batch, seconds = self._next_batch()
            waited += seconds
            with self._communication(last=number == self._batches):
                losses = self._losses(batch)
                total = torch.stack(list(losses.values())).sum() / self._batches
                self.grad_scaler.scale(total).backward()
            for name, loss in losses.items():
                means[name] = means[name] + loss.detach() / self._batches
        self.after_backward()
        self._write_metrics(means, waited)
        self.grad_scaler.step(self.optimizer)
        self.grad_scaler.update()

    def state_dict(self) -> dict:
        return {**super().state_dict(), "grad_scaler": self.grad_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        scaler = state_dict.get("grad_scaler")
        if scaler and self.grad_scaler.is_enabled():  # not after a step in another precision
            self.grad_scaler.load_state_dict(scaler)

    def _next_batch(self) -> tuple[list[dict], float]:
        """A batch, and the seconds that it was waited for."""
        start = time.perf_counter()
        batch = next_batch(self._data_loader_iter, self.data_loader.num_workers)
        assert batch is not None  # training data are endless
        return batch, time.perf_counter() - start

    def _losses(self, batch: list[dict]) -> dict[str, torch.Tensor]:
        mixed = self._precision != torch.float32
        with torch.autocast(self._device, self._precision) if mixed else nullcontext():
            return self.model(batch)

    def _communication(self, *, last: bool) -> AbstractContextManager:
        """Gradients are sent to the other processes in the last batch of a step only."""
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return nullcontext()


def amp_precision(cfg: CfgNode) -> torch.dtype:
    """Precision of autocast in training; float32 without ``SOLVER.AMP.ENABLED``.

    Raises:
        InputError: if there is no such precision, or the device lacks it.
    """
    if not cfg.SOLVER.AMP.ENABLED:
        return torch.float32
    on_cpu, name = cfg.MODEL.DEVICE == "cpu", cfg.SOLVER.AMP.PRECISION
    if name == "auto":
        name = "bfloat16" if on_cpu else "float16"
    if name not in HALVES:
        raise InputError(f"SOLVER.AMP.PRECISION is '{name}': use 'auto', 'float16' or 'bfloat16'.")
    if name == "float16" and on_cpu:
        raise InputError(
            "SOLVER.AMP.PRECISION is 'float16', which needs a GPU: use 'bfloat16' or 'auto'."
        )
    return HALVES[name]


def scaled_to_processes(cfg: CfgNode) -> CfgNode:
    """Config of one of the batches of a step, for the number of processes.

    ``SOLVER.IMS_PER_BATCH`` of the config is a batch of ``SOLVER.REFERENCE_WORLD_SIZE`` processes;
    the N batches of ``SOLVER.ACCUMULATE`` count like N times as many processes. Where the step has
    another size than the config's, learning rate and schedule are scaled as Detectron2 does, which
    is said in the log. With ``REFERENCE_WORLD_SIZE`` 0 nothing is scaled.

    Raises:
        InputError: if ``ACCUMULATE`` is below 1, or the batch cannot be divided.
    """
    solver, batches, ranks = cfg.SOLVER, cfg.SOLVER.ACCUMULATE, comm.get_world_size()
    if batches < 1:
        raise InputError(f"SOLVER.ACCUMULATE is {batches}: a step has at least 1 batch.")
    reference = solver.REFERENCE_WORLD_SIZE
    if reference and solver.IMS_PER_BATCH % reference:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {solver.IMS_PER_BATCH}, not a multiple of "
            f"SOLVER.REFERENCE_WORLD_SIZE {reference}: correct one of them."
        )
    scaled = DefaultTrainer.auto_scale_workers(cfg, ranks * batches).clone()
    scaled.defrost()
    if reference:
        scaled.SOLVER.IMS_PER_BATCH //= batches
    if scaled.SOLVER.IMS_PER_BATCH % ranks:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {scaled.SOLVER.IMS_PER_BATCH}, which {ranks} processes "
            "cannot share equally: write a multiple of their number."
        )
    size = scaled.SOLVER.IMS_PER_BATCH * batches
    fixed = "" if reference else " (not scaled: SOLVER.REFERENCE_WORLD_SIZE is 0)"
    logger.info(
        f"A step has {size} clips: {ranks} processes x {batches} batches of "
        f"{scaled.SOLVER.IMS_PER_BATCH / ranks:g}. Learning rate {_change(cfg, scaled, 'BASE_LR')}"
        f"{fixed}, MAX_ITER {_change(cfg, scaled, 'MAX_ITER')}, STEPS "
        f"{_change(cfg, scaled, 'STEPS')}."
    )
    if cfg.is_frozen():
        scaled.freeze()
    return scaled


def _change(cfg: CfgNode, scaled: CfgNode, key: str) -> str:
    before, after = cfg.SOLVER[key], scaled.SOLVER[key]
    return str(before) if before == after else f"{before} -> {after}"
