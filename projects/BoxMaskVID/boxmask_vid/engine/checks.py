"""What a training cannot run with, found before it writes anything."""

from __future__ import annotations

import math
import os
import socket
import sys
from pathlib import Path
from typing import TextIO

from detectron2.config import CfgNode

from ..checkpoint.provenance import flattened
from ..errors import InputError, quoted, writing

LOCK = "training.lock"  # in OUTPUT_DIR
_NOT_HERE = "TEST.AUG.ENABLED", "MODEL.LOAD_PROPOSALS"
_LEAST = {
    **dict.fromkeys(("SOLVER.MAX_ITER", "SOLVER.CHECKPOINT_PERIOD", "SOLVER.IMS_PER_BATCH"), 1),
    **dict.fromkeys(("SOLVER.BASE_LR", "SOLVER.MOMENTUM", "SOLVER.WEIGHT_DECAY"), 0),
    **dict.fromkeys(("TEST.PATIENCE", "TEST.LOSS_PERIOD", "DATALOADER.NUM_WORKERS"), 0),
}
# by process, since a fork has no locks; one is lost when any file of its name is closed
_held: dict[tuple[int, Path], TextIO] = {}


def check_features(cfg: CfgNode) -> None:
    """Raise InputError if something of Detectron2 is enabled that is not done here."""
    for key in _NOT_HERE:
        if flattened(cfg)[key]:
            raise InputError(
                f"{key} is True, but videos are neither trained on nor tested with it: set it to "
                "False."
            )


def check_numbers(cfg: CfgNode) -> None:
    """Raise InputError if a number of a training is below the least that makes sense, or NaN."""
    values = flattened(cfg)
    for key, least in _LEAST.items():
        value = values[key]
        if not isinstance(value, (int, float)) or not least <= value < math.inf:
            raise InputError(f"{key} is {value}: write a number of at least {least}.")
    steps = cfg.SOLVER.STEPS
    if not all(isinstance(step, int) for step in steps) or list(steps) != sorted(set(steps)):
        raise InputError(
            f"SOLVER.STEPS is {quoted(steps)}: write iterations in growing order, like (100, 200)."
        )


def claim_folder(folder: Path) -> None:
    """Keep other trainings out of a folder until this process ends, however it ends.

    Where the file system has no locks, nothing is kept out.

    Args:
        folder: ``OUTPUT_DIR``.

    Raises:
        InputError: if another process trains into it, or it cannot be written.
    """
    path = folder.resolve() / LOCK
    if sys.platform == "win32" or (os.getpid(), path) in _held:
        return
    import fcntl

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+")  # noqa: SIM115
    try:
        # unlike that of flock, loader workers that outlive the training do not have it
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        owner = file.read(200).strip()
        file.close()
        raise InputError(
            f"Another training ({owner or 'of an unknown process'}) writes into {folder}: choose "
            f"another OUTPUT_DIR, or end it first (if there is none, remove {path})."
        ) from None
    except OSError:
        file.close()
        return
    _held[os.getpid(), path] = file
    with writing(path):
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
