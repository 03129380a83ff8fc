"""Learning rate, weight decay and gradient clipping against the reference implementation."""

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.solver import build_lr_scheduler

from boxmask_vid.engine import Trainer
from support.golden import close, load_json
from support.parity_models import BOXMASK, SELSA, TROI, config

# The cases are runs with fewer than the 8 clips of the configs.
CLIPS_A_STEP = {"selsa": 2, "troi": 4, "boxmask": 4}
SCHEDULES = pytest.mark.parametrize(
    ("kind", "name"), [("selsa", SELSA), ("troi", TROI), ("boxmask", BOXMASK)]
)


def optimizer_of(cfg: CfgNode) -> torch.optim.Optimizer:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    return Trainer.build_optimizer(cfg, network)


@SCHEDULES
def test_lr_schedule(kind: str, name: str):
    """Rates of each iteration, with the 1,000 iterations an epoch of the cases."""
    golden = load_json("lr_schedule")[kind]
    cfg = config(name, "SOLVER.BASE_LR", golden["base_lr"])
    epoch, theirs = cfg.SOLVER.CHECKPOINT_PERIOD, golden["iters_per_epoch"]
    assert [step / epoch for step in cfg.SOLVER.STEPS] == golden["lr_config"]["step"]
    assert cfg.SOLVER.MAX_ITER / epoch == golden["total_epochs"]
    cfg.SOLVER.STEPS = tuple(step * theirs for step in golden["lr_config"]["step"])
    cfg.SOLVER.MAX_ITER = theirs * golden["total_epochs"]
    optimizer = optimizer_of(cfg)
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(cfg.SOLVER.MAX_ITER):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    for iteration, expected in golden["lr_at_iter"].items():
        assert rates[int(iteration)] == pytest.approx(expected, rel=1e-12), iteration


@SCHEDULES
def test_lr_schedule_of_the_config_itself(kind: str, name: str):
    """Warm-up as recorded; the steps at the starts of the same epochs."""
    golden = load_json("lr_schedule")[kind]
    cfg = config(name)
    scheduler = build_lr_scheduler(cfg, optimizer_of(cfg))
    scale = golden["base_lr"] / cfg.SOLVER.BASE_LR
    for iteration, expected in golden["lr_at_iter"].items():
        epoch, into = divmod(int(iteration), golden["iters_per_epoch"])
        if epoch == 0:
            own = into
        elif into == golden["iters_per_epoch"] - 1:  # the last one of its epoch
            own = (epoch + 1) * cfg.SOLVER.CHECKPOINT_PERIOD - 1
        else:
            own = epoch * cfg.SOLVER.CHECKPOINT_PERIOD + into
        scheduler.last_epoch = own
        assert scale * scheduler.get_lr()[0] == pytest.approx(expected, rel=1e-12), own


@SCHEDULES
def test_optimizer(kind: str, name: str):
    golden = load_json("lr_schedule")[kind]
    cfg = config(name)
    scaled = Trainer.auto_scale_workers(cfg, CLIPS_A_STEP[kind])
    assert cfg.SOLVER.BASE_LR == 0.01
    assert pytest.approx(golden["optimizer"]["lr"], rel=1e-12) == scaled.SOLVER.BASE_LR
    optimizer = optimizer_of(cfg)
    assert type(optimizer).__name__ == golden["optimizer"]["type"]
    for group in optimizer.param_groups:
        assert group["momentum"] == golden["optimizer"]["momentum"]
        assert group["weight_decay"] == golden["optimizer"]["weight_decay"]
    # the norm of all gradients together is clipped
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 100.0)
    optimizer.step()
    norm = torch.cat([parameter.grad.flatten() for parameter in parameters]).norm(
        golden["grad_clip"]["norm_type"]
    )
    close(norm, torch.tensor(float(golden["grad_clip"]["max_norm"])))
