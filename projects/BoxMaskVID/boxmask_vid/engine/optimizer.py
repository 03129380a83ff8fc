"""Optimizer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from detectron2.config import CfgNode
from detectron2.solver import build_optimizer, get_default_optimizer_params
from detectron2.solver.build import GradientClipType, maybe_add_gradient_clipping
from torch.nn.utils import clip_grad_norm_

from ..errors import InputError
from ..modeling.backbone import TorchvisionBackbone

FULL_MODEL = "full_model"
OPTIMIZERS = "SGD", "AdamW"
BACKBONE = "backbone.bottom_up."
# Parameters outside norm layers that are scales and tables, which are no more decayed than norms.
UNDECAYED = "layer_scale", "logit_scale", "relative_position_bias_table"


def build_vid_optimizer(cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimizer of ``SOLVER.OPTIMIZER``, with one more ``SOLVER.CLIP_GRADIENTS.CLIP_TYPE``.

    "full_model" clips the norm of all gradients together to ``CLIP_VALUE``; Detectron2's own types
    clip each parameter by itself.

    Raises:
        InputError: if there is no such optimizer or no such kind of clipping, or the backbone has
            no layers that learning rates could fall with.
    """
    clipping = cfg.SOLVER.CLIP_GRADIENTS
    if not clipping.ENABLED or clipping.CLIP_TYPE != FULL_MODEL:
        return _build(cfg, model)
    cfg = cfg.clone()
    cfg.defrost()
    cfg.SOLVER.CLIP_GRADIENTS.ENABLED = False
    optimizer = _build(cfg, model)

    def clip(optimizer: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        clip_grad_norm_(parameters, clipping.CLIP_VALUE, clipping.NORM_TYPE)

    optimizer.register_step_pre_hook(clip)
    return optimizer


def has_lost_state(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer that remembers its steps remembers none."""
    return not optimizer.state and any(group.get("momentum", 1) for group in optimizer.param_groups)


def check_shapes(optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError if what was loaded for a parameter has another shape than it."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if torch.is_tensor(value) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"{name} {tuple(value.shape)} of a {tuple(parameter.shape)}")


def _build(cfg: CfgNode, model: torch.nn.Module) -> torch.optim.Optimizer:
    solver = cfg.SOLVER
    name, decay = solver.OPTIMIZER, solver.LAYER_DECAY
    clip_types = FULL_MODEL, *(kind.value for kind in GradientClipType)
    if solver.CLIP_GRADIENTS.ENABLED and solver.CLIP_GRADIENTS.CLIP_TYPE not in clip_types:
        raise InputError(
            f"SOLVER.CLIP_GRADIENTS.CLIP_TYPE is '{solver.CLIP_GRADIENTS.CLIP_TYPE}': use one of "
            f"{', '.join(clip_types)}."
        )
    if name not in OPTIMIZERS:
        raise InputError(f"SOLVER.OPTIMIZER is '{name}': use one of {', '.join(OPTIMIZERS)}.")
    if name == "SGD" and decay == 1:
        return build_optimizer(cfg, model)
    parameters = get_default_optimizer_params(
        model,
        base_lr=solver.BASE_LR,
        weight_decay_norm=solver.WEIGHT_DECAY_NORM,
        bias_lr_factor=solver.BIAS_LR_FACTOR,
        weight_decay_bias=solver.WEIGHT_DECAY_BIAS,
        lr_factor_func=_lr_factor(model, decay),
        overrides={key: {"weight_decay": solver.WEIGHT_DECAY_NORM} for key in UNDECAYED},
    )
    options = {"lr": solver.BASE_LR, "weight_decay": solver.WEIGHT_DECAY, "foreach": True}
    if name == "SGD":
        options |= {"momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    optimizer = getattr(torch.optim, name)(parameters, **options)
    return maybe_add_gradient_clipping(cfg, optimizer)


def _lr_factor(model: torch.nn.Module, decay: float) -> Callable[[str], float]:
    """Factor of the learning rate of a parameter, by its name: a power of ``decay``.

    The heads have 1, the last layer of the backbone ``decay``, the one before it its square, ...
    """
    if decay == 1:
        return lambda name: 1.0
    bottom_up = getattr(getattr(model, "backbone", None), "bottom_up", None)
    if not isinstance(bottom_up, TorchvisionBackbone):
        raise InputError(
            f"SOLVER.LAYER_DECAY is {decay}, but the backbone has no numbered layers: set it to "
            "1, or MODEL.BACKBONE.NAME to build_torchvision_backbone."
        )

    def factor(name: str) -> float:
        if not name.startswith(BACKBONE):
            return 1.0
        return decay ** (bottom_up.num_layers - bottom_up.layer_of(name.removeprefix(BACKBONE)))

    return factor
