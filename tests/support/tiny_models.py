"""Tiny models whose runs by the reference implementation are recorded in ../shared/parity/e2e."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model

from boxmask_vid.checkpoint import VIDCheckpointer
from boxmask_vid.engine import build_cfg
from support.paths import GOLDEN

NAMES = ("selsa", "troi", "boxmask")


def tiny_config(name: str) -> str:
    return str(GOLDEN / f"{name}_tiny.yaml")


def tiny_cfg(name: str, *opts: object) -> CfgNode:
    return build_cfg(tiny_config(name), list(map(str, opts)))


def untrained(name: str, *opts: object) -> torch.nn.Module:
    return build_model(tiny_cfg(name, *opts))


def trained(name: str, checkpoints: dict[str, str], *opts: object) -> torch.nn.Module:
    """A tiny model with the recorded weights that takes normalised images."""
    model = untrained(name, *opts)
    VIDCheckpointer(model, require_all=True).load(checkpoints[name])
    model.pixel_mean.zero_()
    model.pixel_std.fill_(1)
    return model.eval()
