import pytest
import torch
from detectron2.config import get_cfg

from boxmask_vid import add_boxmask_vid_config
from boxmask_vid.engine.optimizer import build_vid_optimizer


def step(norm_type: float, clip_value: float, *, enabled: bool = True) -> torch.Tensor:
    """Step of two parameters with gradients of norm 3 and 4 at learning rate 1."""
    cfg = get_cfg()
    add_boxmask_vid_config(cfg)
    solver, clipping = cfg.SOLVER, cfg.SOLVER.CLIP_GRADIENTS
    solver.BASE_LR, solver.MOMENTUM, solver.WEIGHT_DECAY = 1.0, 0.0, 0.0
    clipping.ENABLED, clipping.CLIP_TYPE = enabled, "full_model"
    clipping.CLIP_VALUE, clipping.NORM_TYPE = clip_value, norm_type
    model = torch.nn.ParameterDict(
        {"a": torch.nn.Parameter(torch.zeros(2)), "b": torch.nn.Parameter(torch.zeros(2))}
    )
    optimizer = build_vid_optimizer(cfg, model)
    assert enabled == clipping.ENABLED  # the config is not touched
    model["a"].grad = torch.tensor([3.0, 0.0])
    model["b"].grad = torch.tensor([0.0, 4.0])
    optimizer.step()
    return -torch.cat([model["a"], model["b"]]).detach()


def test_all_gradients_are_clipped_together():
    assert step(2.0, 1.0).tolist() == pytest.approx([0.6, 0, 0, 0.8], rel=1e-4)
    assert step(float("inf"), 1.0).tolist() == pytest.approx([0.75, 0, 0, 1.0], rel=1e-4)


def test_small_gradients_are_kept():
    assert step(2.0, 35.0).tolist() == [3, 0, 0, 4]
    assert step(2.0, 1.0, enabled=False).tolist() == [3, 0, 0, 4]
