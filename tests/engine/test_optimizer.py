import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model

from boxmask_vid import add_boxmask_vid_config
from boxmask_vid.engine.optimizer import build_vid_optimizer
from boxmask_vid.errors import InputError
from support.backbones import options
from support.small import small_cfg


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


def recipe(decay: float, optimizer: str = "AdamW") -> tuple[torch.optim.Optimizer, torch.nn.Module]:
    opts = ("SOLVER.OPTIMIZER", optimizer, "SOLVER.LAYER_DECAY", decay, "SOLVER.BASE_LR", 0.001)
    decays = ("SOLVER.WEIGHT_DECAY", 0.05, "SOLVER.WEIGHT_DECAY_NORM", 0.0)
    backbone = options("swin_t")
    cfg = small_cfg("selsa", *backbone, *opts, *decays)
    model = build_model(cfg)
    return build_vid_optimizer(cfg, model), model


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_learning_rates_fall_towards_the_first_layer(optimizer: str):
    built, model = recipe(0.5, optimizer)
    assert type(built) is getattr(torch.optim, optimizer)
    names = {parameter: name for name, parameter in model.named_parameters()}
    rates = {names[p]: group["lr"] for group in built.param_groups for p in group["params"]}
    assert rates.keys() == set(names.values())
    body = "backbone.bottom_up.body.features"
    expected = {
        f"{body}.0.0.weight": 0.001 / 2**5,
        f"{body}.1.0.mlp.0.weight": 0.001 / 2**4,
        f"{body}.2.reduction.weight": 0.001 / 2**3,
        f"{body}.5.2.mlp.0.weight": 0.001 / 2**2,
        f"{body}.5.3.mlp.0.weight": 0.001 / 2,
        "backbone.channel_mapper.weight": 0.001,
        "roi_heads.box_predictor.cls_score.weight": 0.001,
    }
    assert {name: rates[name] for name in expected} == pytest.approx(expected)


def test_norms_and_tables_are_not_decayed():
    built, model = recipe(1.0)
    names = {parameter: name for name, parameter in model.named_parameters()}
    decayed = {
        names[p] for group in built.param_groups for p in group["params"] if group["weight_decay"]
    }
    rest = set(names.values()) - decayed
    assert len(decayed) > 40
    assert rest == {
        n for n in names.values() if "norm" in n or n.endswith("bias_table") or ".0.2." in n
    }


@pytest.mark.parametrize(
    ("opts", "sentence"),
    [
        (("SOLVER.OPTIMIZER", "Adam"), "SOLVER.OPTIMIZER is 'Adam': use one of SGD, AdamW"),
        (("SOLVER.LAYER_DECAY", 0.9), "LAYER_DECAY is 0.9, but the backbone has no numbered"),
    ],
)
def test_bad_input(opts: tuple, sentence: str):
    cfg = small_cfg("selsa", *opts)
    with pytest.raises(InputError, match=sentence):
        build_vid_optimizer(cfg, build_model(cfg))
