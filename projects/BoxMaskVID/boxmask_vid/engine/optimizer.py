"""Optimizer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_optimizer

FULL_MODEL = "full_model"


def build_vid_optimizer(cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
    """``build_optimizer``, with one more ``SOLVER.CLIP_GRADIENTS.CLIP_TYPE``.

    "full_model" clips the norm of all gradients together to ``CLIP_VALUE``; Detectron2's own types
    clip each parameter by itself.
    """
    clipping = cfg.SOLVER.CLIP_GRADIENTS
    if not clipping.ENABLED or clipping.CLIP_TYPE != FULL_MODEL:
        return build_optimizer(cfg, model)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = False
    optimizer = build_optimizer(cfg, model)
    optimizer.register_step_pre_hook(_clip_total_norm(clipping.CLIP_VALUE, clipping.NORM_TYPE))
    return optimizer


def _clip_total_norm(max_norm: float, norm_type: float) -> Callable:
    def clip(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)

    return clip
