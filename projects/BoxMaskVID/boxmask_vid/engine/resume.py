"""What a training that is resumed takes from its config, and what from the checkpoint."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.solver import LRMultiplier
from detectron2.utils import comm
from torch.optim.lr_scheduler import LRScheduler

from ..checkpoint.provenance import flattened, sha256
from ..checkpoint.resuming import METRICS, TrainingState, last_training
from ..data.datasets import is_of_videos
from ..errors import InputError, shortened, writing

logger = logging.getLogger(__name__)

PROCESSES = "number of processes"
# what a training may change without computing anything else
_WITHOUT_EFFECT = (
    *("OUTPUT_DIR", "MODEL.WEIGHTS", "MODEL.DEVICE", "DATALOADER.NUM_WORKERS", "DATASETS.TEST"),
    *("SOLVER.CHECKPOINT_", "TEST.", "MODEL.VID.TEST.", "VIS_PERIOD", "VERSION"),
)


def settings_of(cfg: CfgNode) -> dict[str, Any]:
    """What a training depends on: values by their whole keys, processes, annotation files."""
    settings: dict[str, Any] = {PROCESSES: comm.get_world_size()}
    for key, value in flattened(cfg).items():
        if not key.startswith(_WITHOUT_EFFECT):
            plain = isinstance(value, (bool, int, float, str))
            settings[key] = value if plain else repr(value)
    for name in filter(is_of_videos, cfg.DATASETS.TRAIN):
        content = sha256(MetadataCatalog.get(name).json_file)
        settings[f"annotations of {name} (sha256)"] = content[:12]
    return settings


def check_settings(state: TrainingState, settings: dict[str, Any]) -> None:
    """Log each setting that is not the one of a checkpoint: the new one is used.

    Raises:
        InputError: if iterations have another meaning now, because the schedule scales with the
            number of processes.
    """
    earlier = state.settings
    changed = [key for key in earlier if key in settings and earlier[key] != settings[key]]
    scale = "SOLVER.REFERENCE_WORLD_SIZE"  # after scaling: processes times batches of a step
    if settings[scale] and scale in changed:
        raise InputError(
            f"{state.path} was trained with {earlier[scale]} processes (times batches of a step), "
            f"now there are {settings[scale]}, and {scale} scales the schedule with them, so that "
            f"its {state.iteration + 1} iterations would be another part of it: use as many as "
            f"before, or set {scale} 0 and the schedule in iterations of now."
        )
    for key in changed:
        logger.warning(
            f"Resuming with {key} {shortened(settings[key])}; it was {shortened(earlier[key])} up "
            f"to iteration {state.iteration}."
        )


def without_parameters(group: dict[str, Any]) -> dict[str, Any]:
    """Options of a parameter group of an optimizer."""
    return {key: value for key, value in group.items() if key != "params"}


def restart_schedule(
    optimizer: torch.optim.Optimizer,
    scheduler: LRScheduler,
    groups: list[dict[str, Any]],
    *,
    max_iter: int,
) -> None:
    """Give optimizer and schedule of a checkpoint the options of now, at the iteration reached.

    Args:
        optimizer: an optimizer that has loaded its state.
        scheduler: its schedule, likewise.
        groups: options that the parameter groups had before, those of the config.
        max_iter: where the schedule ends; beyond it there is nothing to train, and no rate.
    """
    for group, options in zip(optimizer.param_groups, groups, strict=True):
        group.update(options)
    scheduler.base_lrs = [group["initial_lr"] for group in groups]
    if isinstance(scheduler, LRMultiplier) and scheduler.last_epoch <= max_iter:
        for group, rate in zip(optimizer.param_groups, scheduler.get_lr(), strict=True):
            group["lr"] = rate


def forget_iterations(folder: Path, first: int) -> None:
    """Remove the lines of ``metrics.json`` that a training which continues writes again.

    What an earlier training in the same folder has written stays. An evaluation may stand behind
    later iterations, together with which it was written.

    Args:
        folder: ``OUTPUT_DIR``.
        first: iteration that the training continues with.
    """
    metrics = folder / METRICS
    if not metrics.is_file():
        return
    text = metrics.read_bytes()
    start = min(len(text), int(last_training(folder).get("metrics_start", len(text))))
    lines = text[start:].splitlines(keepends=True)
    kept = [line for line in lines if _iteration(line) < first]
    if kept != lines:
        with writing(metrics), open(metrics, "r+b") as file:  # the same one: a writer has it open
            file.seek(start)
            file.write(b"".join(kept))
            file.truncate()


def _iteration(line: bytes) -> float:
    """Iteration of a line; infinite if the line is torn."""
    try:
        return int(json.loads(line)["iteration"])
    except (ValueError, KeyError, TypeError):
        return math.inf
