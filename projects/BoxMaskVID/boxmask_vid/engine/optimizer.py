"""Optimizer."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_optimizer
from torch.nn.utils import clip_grad_norm_

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

    def clip(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        clip_grad_norm_(parameters, clipping.CLIP_VALUE, clipping.NORM_TYPE)

    optimizer.register_step_pre_hook(clip)
    return optimizer
