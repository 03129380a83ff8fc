"""Published models by name, in the manner of ``detectron2.model_zoo``.

A name is that of a config in ``configs/ImageNetVID/`` or ``configs/Fast/``, without its suffix; the
ending ``_DC5_7e`` may be left out.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from . import config
from .checkpoint import VIDCheckpointer
from .checkpoint.zoo import CHECKPOINTS, SUFFIX
from .engine import build_cfg
from .errors import InputError, suggestion

__all__ = ["get", "get_config", "get_config_file", "names"]


def names() -> list[str]:
    """Names of the models that have published weights."""
    return list(CHECKPOINTS)


def get_config_file(name: str) -> str:
    """Path of the config of a model, with or without published weights.

    Raises:
        InputError: if there is none; the message has the closest names.
    """
    paths = config.model_configs()
    paths |= {key: config.get_config_file(entry.config) for key, entry in CHECKPOINTS.items()}
    path = paths.get(name) or paths.get(name + SUFFIX)
    if path is None:
        raise InputError(f"There is no model '{name}': {suggestion(name, paths)}")
    return path


def get_config(name: str, trained: bool = False) -> CfgNode:
    """Config of a model, on the CPU where there is no GPU.

    Args:
        name: name of the model.
        trained: set ``MODEL.WEIGHTS`` to the published weights.

    Raises:
        InputError: if there is no such model, or no such weights.
    """
    return build_cfg(None, (), name) if trained else build_cfg(get_config_file(name))


def get(name: str, trained: bool = False, device: str | None = None) -> torch.nn.Module:
    """Build a model; it is in training mode.

    Args:
        name: name of the model.
        trained: load the published weights, which are downloaded when they are first used; else
            all weights are random.
        device: device of the model, instead of that of its config.

    Raises:
        InputError: if there is no such model or no such weights; if they cannot be fetched.
    """
    cfg = get_config(name, trained)
    if device is not None:
        cfg.MODEL.DEVICE = device
    model = build_model(cfg)
    if trained:
        VIDCheckpointer(model, require_all=True).load(cfg.MODEL.WEIGHTS)
    return model
