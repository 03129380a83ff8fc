"""What a training or an evaluation cannot run with, found before it writes anything."""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog

from ..checkpoint.checkpointer import check_is_there
from ..checkpoint.provenance import flattened
from ..data.datasets import class_names
from ..errors import InputError, quoted, writing

LOCK = "training.lock"  # in OUTPUT_DIR
_NOT_HERE = "TEST.AUG.ENABLED", "MODEL.LOAD_PROPOSALS"
_LEAST = {
    **dict.fromkeys(("SOLVER.MAX_ITER", "SOLVER.CHECKPOINT_PERIOD", "SOLVER.IMS_PER_BATCH"), 1),
    **dict.fromkeys(("SOLVER.BASE_LR", "SOLVER.MOMENTUM", "SOLVER.WEIGHT_DECAY"), 0),
    **dict.fromkeys(("TEST.PATIENCE", "TEST.LOSS_PERIOD", "TEST.EVAL_PERIOD"), 0),
    **dict.fromkeys(("SOLVER.WARMUP_ITERS", "SOLVER.WARMUP_FACTOR", "SOLVER.GAMMA"), 0),
    **dict.fromkeys(("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "DATALOADER.NUM_WORKERS"), 0),
}
_BOX_LOSSES = "smooth_l1", "giou", "diou", "ciou"
_CHOICES: dict[str, tuple] = {
    "INPUT.FORMAT": ("BGR", "RGB"),
    "MODEL.RESNETS.DEPTH": (18, 34, 50, 101, 152),
    "MODEL.RPN.BBOX_REG_LOSS_TYPE": _BOX_LOSSES,
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": _BOX_LOSSES,
    "MODEL.ROI_BOX_HEAD.POOLER_TYPE": ("ROIAlignV2", "ROIAlign", "ROIPool"),
}
_END_OF_SEEDS = 2**31  # below NumPy's 2**32, with the rank of a process added
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


def check_model(cfg: CfgNode) -> None:
    """Raise InputError if a model cannot have a value of its config."""
    values: dict[str, Any] = flattened(cfg)
    for key, choices in _CHOICES.items():
        if values[key] not in choices:
            raise InputError(f"{key} is {values[key]!r}: use {' or '.join(map(str, choices))}.")
    for key, least in ("MODEL.PIXEL_MEAN", -math.inf), ("MODEL.PIXEL_STD", 0):
        if len(values[key]) != 3 or not all(number > least for number in values[key]):
            wanted = "three numbers" if key == "MODEL.PIXEL_MEAN" else "three numbers above 0"
            raise InputError(
                f"{key} is {quoted(values[key])}: write {wanted}, one for each channel."
            )
    for key in ("MODEL.ANCHOR_GENERATOR.SIZES", "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS"):
        if not values[key] or not all(values[key]):
            raise InputError(f"{key} is {quoted(values[key])}: write a list of lists of numbers.")
    for part in ("MODEL.RPN", "MODEL.ROI_HEADS"):
        limits, labels = values[f"{part}.IOU_THRESHOLDS"], values[f"{part}.IOU_LABELS"]
        if len(labels) != len(limits) + 1:
            raise InputError(
                f"{part}.IOU_LABELS is {quoted(labels)}: write {len(limits) + 1} labels, one more "
                "than IOU_THRESHOLDS has numbers."
            )
    if cfg.MODEL.ROI_HEADS.NUM_CLASSES < 1:
        raise InputError(
            f"MODEL.ROI_HEADS.NUM_CLASSES is {cfg.MODEL.ROI_HEADS.NUM_CLASSES}: write at least 1."
        )


def check_numbers(cfg: CfgNode) -> None:
    """Raise InputError if a training cannot have a value of its config."""
    values = flattened(cfg)
    for key, least in _LEAST.items():
        value = values[key]
        if not isinstance(value, (int, float)) or not least <= value < math.inf:
            raise InputError(f"{key} is {value}: write a number of at least {least}.")
    if cfg.SOLVER.MOMENTUM >= 1:
        raise InputError(f"SOLVER.MOMENTUM is {cfg.SOLVER.MOMENTUM}: write a number below 1.")
    if cfg.SEED >= _END_OF_SEEDS:
        raise InputError(f"SEED is {cfg.SEED}: write a number below {_END_OF_SEEDS}.")
    if not cfg.INPUT.MIN_SIZE_TRAIN or min(cfg.INPUT.MIN_SIZE_TRAIN) < 0:
        raise InputError(
            f"INPUT.MIN_SIZE_TRAIN is {quoted(cfg.INPUT.MIN_SIZE_TRAIN)}: write sizes in pixels, "
            "like (600,)."
        )
    for key in ("BEST_METRIC", "PATIENCE"):
        if cfg.TEST[key] and not cfg.DATASETS.TEST:
            raise InputError(
                f"TEST.{key} is {cfg.TEST[key]}, but nothing is evaluated: name a test set in "
                "DATASETS.TEST."
            )
    steps = cfg.SOLVER.STEPS
    if not all(isinstance(step, int) for step in steps) or list(steps) != sorted(set(steps)):
        raise InputError(
            f"SOLVER.STEPS is {quoted(steps)}: write iterations in growing order, like (100, 200)."
        )


def check_frozen(cfg: CfgNode) -> None:
    """Raise InputError if a training without weights would leave a part of the model random."""
    frozen = cfg.MODEL.BACKBONE.FREEZE_AT > 0 or cfg.MODEL.VID.FREEZE_BN_STATISTICS
    if frozen and not cfg.MODEL.WEIGHTS:
        raise InputError(
            "MODEL.WEIGHTS is empty, but parts of the backbone are frozen and would stay random: "
            "add a backbone trained on ImageNet, e.g. MODEL.WEIGHTS torchvision://resnet50 for "
            "configs of R_50, or train everything with "
            "MODEL.BACKBONE.FREEZE_AT 0 MODEL.VID.FREEZE_BN_STATISTICS False."
        )


def check_expected_results(cfg: CfgNode) -> None:
    """Raise InputError if ``TEST.EXPECTED_RESULTS`` cannot be compared with those of a test."""
    for row in cfg.TEST.EXPECTED_RESULTS:
        match row:
            case [str(), str(), int() | float(), int() | float()]:
                continue
        raise InputError(
            f"TEST.EXPECTED_RESULTS has {quoted(row)}: write lists of a task, a metric, its value "
            "and a tolerance, like ['bbox', 'AP50', 70.0, 0.5]."
        )


def check_datasets(cfg: CfgNode, names: Sequence[str]) -> None:
    """Raise InputError if a data set is not registered, or has other classes than the model."""
    for name in names:
        if name not in DatasetCatalog:
            known = ", ".join(other for other in DatasetCatalog if "vid" in other)
            raise InputError(
                f"Data set '{name}' is not registered (for video there are: {known}): correct the "
                "name, or register it (train_net.py --dataset NAME JSON IMAGES)."
            )
        classes, expected = class_names(name), list(cfg.MODEL.VID.CLASS_NAMES)
        if len(classes) != cfg.MODEL.ROI_HEADS.NUM_CLASSES:
            raise InputError(
                f"Data set '{name}' has {len(classes)} classes, MODEL.ROI_HEADS.NUM_CLASSES is "
                f"{cfg.MODEL.ROI_HEADS.NUM_CLASSES}: add 'MODEL.ROI_HEADS.NUM_CLASSES "
                f"{len(classes)}'."
            )
        if expected and classes != expected:
            raise InputError(
                f"Data set '{name}' has the classes {classes}, the model has {expected} "
                "(MODEL.VID.CLASS_NAMES): use a config and a data set that belong together, or "
                "add 'MODEL.VID.CLASS_NAMES ()' to train on new classes."
            )


def check_evaluation(cfg: CfgNode, *, detections: str | None = None) -> None:
    """Check what an evaluation needs.

    Args:
        cfg: config of the model and of the evaluation.
        detections: file that is scored in place of ``MODEL.WEIGHTS``.

    Raises:
        InputError: if there are no data sets or weights to evaluate, or the classes differ.
        FileNotFoundError: if there is no file of the weights.
    """
    if not cfg.DATASETS.TEST:
        raise InputError("DATASETS.TEST is empty: name the data sets to evaluate on.")
    check_datasets(cfg, cfg.DATASETS.TEST)
    if detections is not None:
        return
    if not cfg.MODEL.WEIGHTS:
        raise InputError(
            "--eval-only has no weights to evaluate: add MODEL.WEIGHTS FILE (a training leaves "
            "model_final.pth in its OUTPUT_DIR)."
        )
    check_is_there(cfg.MODEL.WEIGHTS)


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
