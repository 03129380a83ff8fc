"""Every config is built, and the stock ones say what the papers' models are."""

import re

import pytest
from detectron2.engine import DefaultPredictor
from detectron2.modeling import build_model

from boxmask_vid.engine import build_cfg
from boxmask_vid.engine.optimizer import build_vid_optimizer
from support.small import CONFIGS, SMALLEST, image

ALL = sorted(CONFIGS.rglob("*.yaml"))
LEAVES = [path for path in ALL if not path.name.startswith("Base")]
SLOW_IF_LARGE = [
    pytest.param(path, marks=[pytest.mark.slow] if re.search("101|Swin_S", path.stem) else [])
    for path in LEAVES
]
EXPECTED = {
    *(
        f"{model}_{backbone}_DC5_7e"
        for model in ("faster_rcnn", "selsa", "selsa_troi", "boxmask_selsa_troi")
        for backbone in ("R_50", "R_101", "X_101_64x4d")
    ),
    "boxmask_selsa_R_50_DC5_7e",
    "boxmask_faster_rcnn_R_50_DC5_7e",
    *(f"boxmask_selsa_troi_{backbone}_7e" for backbone in ("ConvNeXt_T", "Swin_T", "Swin_S")),
}
FAST = {"selsa_MobileNetV3_L_320", "boxmask_selsa_troi_R_18_DC5_480"}
# part of the name of a config, model of torchvision
OF_TORCHVISION = {
    "ConvNeXt_T": "convnext_tiny",
    "Swin_T": "swin_t",
    "Swin_S": "swin_s",
    "MobileNetV3_L": "mobilenet_v3_large",
    "R_18": "resnet18",
}


@pytest.mark.parametrize("path", [path for path in ALL if path not in LEAVES], ids=str)
def test_a_base_is_a_config_of_its_own(path):
    build_model(build_cfg(str(path), ["MODEL.DEVICE", "cpu"]))


def name(path) -> str:
    return path.stem


def test_the_promised_configs_are_there():
    assert {path.stem for path in (CONFIGS / "ImageNetVID").iterdir()} >= EXPECTED
    assert {path.stem for path in (CONFIGS / "Fast").iterdir()} == FAST


@pytest.mark.parametrize("path", SLOW_IF_LARGE, ids=name)
def test_config_builds_the_model_that_its_name_says(path):
    cfg = build_cfg(str(path), ["MODEL.DEVICE", "cpu"])
    model = build_model(cfg)
    heads = model.roi_heads
    stages = len(heads.box_head.aggregators) if heads.box_head_uses_references else 0
    assert (stages > 0) == ("selsa" in path.stem)
    assert (heads.temporal_roi_align is not None) == ("troi" in path.stem)
    assert heads.mask_on == ("boxmask" in path.stem)
    assert not cfg.MODEL.MASK_ON
    assert heads.uses_references == ("selsa" in path.stem)
    assert type(model.backbone).__name__ == "ChannelMappedBackboneFast"
    optimizer = build_vid_optimizer(cfg, model)
    transformer = any(word in path.stem for word in ("Swin", "ConvNeXt"))
    assert type(optimizer).__name__ == ("AdamW" if transformer else "SGD")
    rates = {group["lr"] for group in optimizer.param_groups}
    assert (len(rates) > 1) == ("ConvNeXt" in path.stem)
    of_torchvision = [name for part, name in OF_TORCHVISION.items() if part in path.stem]
    if of_torchvision:
        assert [model.backbone.bottom_up.model_name] == of_torchvision
        assert model.backbone.output_shape()["c5"].stride == 16
    elif path.parent.name == "ImageNetVID":
        assert stages == (3 if "troi" in path.stem else 2 if "selsa" in path.stem else 0)
        depth = sum(len(stage) for stage in model.backbone.bottom_up.stages)
        assert depth == (16 if "R_50" in path.stem else 33)
        groups = model.backbone.bottom_up.res3[0].conv2.groups
        assert groups == (64 if "X_101" in path.stem else 1)
        solver = cfg.SOLVER
        assert (solver.IMS_PER_BATCH, solver.REFERENCE_WORLD_SIZE, solver.BASE_LR) == (8, 8, 0.01)


@pytest.mark.parametrize("path", SLOW_IF_LARGE, ids=name)
def test_default_predictor_works_unmodified(path):
    cfg = build_cfg(str(path), [*SMALLEST, "MODEL.ROI_MASK_HEAD.NUM_CONV", "1"])
    cfg.INPUT.MIN_SIZE_TEST = 96
    picture = image(90, 120).permute(1, 2, 0).numpy()
    found = DefaultPredictor(cfg)(picture)["instances"]
    assert found.image_size == (90, 120)
    assert found.pred_boxes.tensor.isfinite().all()
