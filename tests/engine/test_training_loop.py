"""Steps of several batches and in mixed precision."""

import logging

import pytest
import torch
from detectron2.data.build import trivial_batch_collator
from detectron2.utils.events import EventStorage
from torch.utils.data import DataLoader

from boxmask_vid.engine import Trainer
from boxmask_vid.engine.optimizer import build_vid_optimizer
from boxmask_vid.engine.training_loop import TrainingLoop, amp_precision, scaled_to_processes
from boxmask_vid.errors import InputError
from support.small import KINDS, clip, small_cfg, small_model

# every anchor and every proposal counts, equally many in each clip; no statistics of the batch
ALL_SAMPLES = [
    *("MODEL.RPN.BATCH_SIZE_PER_IMAGE", 10_000, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 10_000),
    *("MODEL.RPN.NMS_THRESH", 1.1, "MODEL.RPN.POST_NMS_TOPK_TRAIN", 20),
    *("MODEL.RESNETS.NORM", "LN", "SOLVER.BASE_LR", 0.01, "SOLVER.CLIP_GRADIENTS.ENABLED", False),
]
CLIPS = [clip(seed=seed) for seed in (0, 10, 20, 30)]


def trained(kind: str, steps: int, *opts: object, batch_size: int, **loop) -> tuple:
    """Parameters of the smallest model after some steps over the clips, and the last losses."""
    cfg, model = small_cfg(kind, *opts), small_model(kind, *opts)
    loader = DataLoader(CLIPS, batch_size, collate_fn=trivial_batch_collator)
    training = TrainingLoop(model, loader, build_vid_optimizer(cfg, model), **loop)
    with EventStorage() as storage:
        for training.iter in range(steps):
            torch.manual_seed(0)
            training.run_step()
            storage.step()
        losses = {name: value for name, (value, _) in storage.latest().items() if "loss" in name}
    return dict(model.named_parameters()), losses


@pytest.mark.parametrize("kind", ["faster_rcnn", "selsa", "troi"])
def test_two_batches_are_one_of_twice_the_size(kind):
    whole, losses = trained(kind, 2, *ALL_SAMPLES, batch_size=2)
    halves, losses_of_halves = trained(kind, 2, *ALL_SAMPLES, batch_size=1, batches=2)
    initial = dict(small_model(kind, *ALL_SAMPLES).named_parameters())
    assert any(not torch.allclose(whole[name], initial[name], atol=1e-4) for name in initial)
    for name, parameter in whole.items():
        torch.testing.assert_close(halves[name], parameter, rtol=0, atol=1e-6)
    assert losses_of_halves == pytest.approx(losses, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_on_the_cpu_trains_every_kind(kind):
    _, losses = trained(kind, 2, *ALL_SAMPLES, batch_size=2)
    mixed, in_bfloat16 = trained(kind, 2, *ALL_SAMPLES, batch_size=2, precision=torch.bfloat16)
    assert {parameter.dtype for parameter in mixed.values()} == {torch.float32}
    assert in_bfloat16.keys() == losses.keys()
    for name in ("loss_rpn_cls", "loss_rpn_loc", "loss_cls"):  # not of other foreground RoIs
        assert in_bfloat16[name] == pytest.approx(losses[name], rel=0.05, abs=1e-3)
    assert in_bfloat16["total_loss"] == pytest.approx(losses["total_loss"], rel=0.2)


def test_float16_scales_the_loss_and_leaves_out_a_step_that_overflows():
    cfg, model = small_cfg("selsa", *ALL_SAMPLES), small_model("selsa", *ALL_SAMPLES)
    loader = DataLoader(CLIPS, 2, collate_fn=trivial_batch_collator)
    optimizer = build_vid_optimizer(cfg, model)
    training = TrainingLoop(model, loader, optimizer, precision=torch.float16)
    before = {name: value.clone() for name, value in model.named_parameters()}
    training.load_state_dict(
        {**training.state_dict(), "grad_scaler": {**scaler_state(training), "scale": 2.0**60}}
    )
    with EventStorage():
        training.run_step()
        for name, value in model.named_parameters():
            assert torch.equal(value, before[name]), name
        assert scaler_state(training)["scale"] == 2.0**59
        training.load_state_dict(
            {**training.state_dict(), "grad_scaler": {**scaler_state(training), "scale": 2.0**10}}
        )
        training.run_step()
    assert scaler_state(training)["scale"] == 2.0**10
    assert all(value.isfinite().all() for value in model.parameters())
    assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())


def scaler_state(training: TrainingLoop) -> dict:
    return training.state_dict()["grad_scaler"]


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_float32_in_mixed_precision(kind):
    model = small_model(kind)
    with EventStorage(), torch.autocast("cpu", torch.bfloat16):
        losses = model(CLIPS[:2])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


@pytest.mark.slow
def test_a_resumed_training_of_several_batches_computes_the_same(synthetic_datasets, tmp_path):
    sets = ("DATASETS.TRAIN", (synthetic_datasets[0],), "DATASETS.TEST", "()")
    steps = ("SOLVER.MAX_ITER", 4, "SOLVER.CHECKPOINT_PERIOD", 2, "SOLVER.IMS_PER_BATCH", 1)
    mixed = ("SOLVER.ACCUMULATE", 2, "SOLVER.AMP.ENABLED", True, "OUTPUT_DIR", tmp_path)
    cfg = small_cfg("selsa", *sets, *steps, *mixed)
    whole, resumed = Trainer(cfg), Trainer(cfg)
    whole.resume_or_load(resume=False)
    whole.train()
    for name in ("model_final", "model_0000003"):
        (tmp_path / f"{name}.pth").unlink()
    resumed.resume_or_load(resume=True)
    assert resumed.start_iter == 2
    resumed.train()
    expected = whole.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_the_precision_is_that_of_the_device():
    assert amp_precision(small_cfg()) == torch.float32
    enabled = "SOLVER.AMP.ENABLED", True
    assert amp_precision(small_cfg("selsa", *enabled)) == torch.bfloat16
    cfg = small_cfg("selsa", *enabled)
    cfg.MODEL.DEVICE = "cuda"
    assert amp_precision(cfg) == torch.float16
    cfg.SOLVER.AMP.PRECISION = "bfloat16"
    assert amp_precision(cfg) == torch.bfloat16
    for name, message in (("float16", "which needs a GPU"), ("half", "use 'auto', 'float16' or")):
        with pytest.raises(InputError, match=message):
            amp_precision(small_cfg("selsa", *enabled, "SOLVER.AMP.PRECISION", name))


def test_a_step_of_several_batches_scales_as_so_many_processes(caplog):
    schedule = ("SOLVER.MAX_ITER", 100, "SOLVER.STEPS", "(50,)", "SOLVER.BASE_LR", 0.08)
    reference = ("SOLVER.REFERENCE_WORLD_SIZE", 8, "SOLVER.IMS_PER_BATCH", 16)
    with caplog.at_level(logging.INFO, "boxmask_vid"):
        cfg = scaled_to_processes(small_cfg("selsa", *schedule, *reference, "SOLVER.ACCUMULATE", 4))
    assert cfg.SOLVER.IMS_PER_BATCH == 2
    assert pytest.approx(0.04) == cfg.SOLVER.BASE_LR
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS) == (200, (100,))
    assert "A step has 8 clips: 1 processes x 4 batches of 2. Learning rate 0.08 -> 0.04" in (
        caplog.text
    )
    same = scaled_to_processes(small_cfg("selsa", *schedule, *reference, "SOLVER.ACCUMULATE", 8))
    assert (same.SOLVER.IMS_PER_BATCH, same.SOLVER.BASE_LR, same.SOLVER.MAX_ITER) == (2, 0.08, 100)
    fixed = scaled_to_processes(small_cfg("selsa", *schedule, "SOLVER.ACCUMULATE", 4))
    assert fixed.SOLVER == small_cfg("selsa", *schedule, "SOLVER.ACCUMULATE", 4).SOLVER
    for opts, message in (
        (("SOLVER.ACCUMULATE", 0), "SOLVER.ACCUMULATE is 0"),
        (("SOLVER.REFERENCE_WORLD_SIZE", 3, "SOLVER.IMS_PER_BATCH", 16), "not a multiple of"),
    ):
        with pytest.raises(InputError, match=message):
            scaled_to_processes(small_cfg("selsa", *opts))
