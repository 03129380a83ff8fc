"""Preparation of a process: logs, the config that it leaves, seeds."""

from __future__ import annotations

import argparse
import errno
import logging
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from ..data.workers import without_worker
from ..errors import InputError
from ..files import written_whole
from .checks import claim_folder

# An evaluation may be run in the OUTPUT_DIR of a training, whose config.yaml must stay.
TRAINING_CONFIG, EVALUATION_CONFIG = "config.yaml", "evaluation.yaml"

logger = logging.getLogger(__name__)

# errors that end a command with one sentence; of the last one, the trainer makes it
EXPECTED = InputError, FileNotFoundError, FloatingPointError
_NO_PERMISSION = errno.EACCES, errno.EPERM, errno.EROFS
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free disk space"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "allow more open files (ulimit -n 4096)"),
    **dict.fromkeys(_NO_PERMISSION, "allow it, or name another place"),
    errno.EISDIR: "remove this folder, or name another place",
}


def prepare_process(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Set up logging and seed, as ``default_setup`` does.

    Raises InputError if another training has ``OUTPUT_DIR``.
    """
    rank, is_evaluation = comm.get_rank(), args.eval_only
    if comm.is_main_process() and not is_evaluation:
        claim_folder(Path(cfg.OUTPUT_DIR))
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="fvcore")
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="boxmask_vid")
    logging.raiseExceptions = False  # on a full disk: a traceback for each line of the log
    logging.getLogger("detectron2.engine.train_loop").addFilter(without_expected_tracebacks)
    logger.info(f"Rank of current process: {rank}. World size: {comm.get_world_size()}")
    logger.info(f"Environment info:\n{collect_env_info()}")
    logger.info(f"Command line arguments: {args}")
    logger.info(f"Running with full config:\n{cfg.dump()}")
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + rank)
    # the validation set is small: the search costs more than it saves
    if not is_evaluation:
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK


def write_config(cfg: CfgNode, name: str) -> None:
    """Write the config of a run that nothing was wrong with to ``OUTPUT_DIR``, whole.

    Args:
        cfg: the config.
        name: ``TRAINING_CONFIG`` or ``EVALUATION_CONFIG``.

    Raises InputError if it cannot be written.
    """
    if comm.is_main_process():
        path = Path(cfg.OUTPUT_DIR, name)
        with written_whole(path) as unfinished:
            unfinished.write_text(cfg.dump())
        logger.info(f"Wrote {path}")


def remedy_of(error: OSError) -> str | None:
    """What to do about an error of the system; None if it is not one of a file that is opened."""
    number = error.errno
    if number is None or (number in _NO_PERMISSION and not error.filename):
        return None
    return _REMEDIES.get(number)


def without_expected_tracebacks(record: logging.LogRecord) -> bool:
    """Filter of logging that drops tracebacks of errors of which the command prints a sentence."""
    error = record.exc_info[1] if record.exc_info else None
    is_of_worker = isinstance(error, RuntimeError) and without_worker(error) is not None
    of_files = isinstance(error, OSError) and remedy_of(error) is not None
    return not (isinstance(error, EXPECTED) or is_of_worker or of_files)
