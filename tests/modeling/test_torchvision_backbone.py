"""Backbones of torchvision: each family is built, trained, run and compared with torchvision."""

import copy
from collections.abc import Iterable

import pytest
import torch
import torchvision
from detectron2.modeling import build_backbone
from detectron2.utils.events import EventStorage
from torch import nn

from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.engine import build_cfg
from boxmask_vid.engine.optimizer import build_vid_optimizer
from boxmask_vid.errors import InputError
from boxmask_vid.modeling import TorchvisionBackbone, accelerate
from support.backbones import FAMILIES, LARGE, OTHERS, options, with_statistics
from support.paths import CONFIGS
from support.small import clip, frame, small_cfg, small_model

DILATED = {
    "resnet18": 512,
    "regnet_y_400mf": 440,
    "mobilenet_v3_small": 576,
    "efficientnet_b0": 1280,
    "convnext_tiny": 768,
}


def models(names: Iterable[str]) -> list:
    return [pytest.param(n, marks=[pytest.mark.slow] if n in LARGE else []) for n in names]


@pytest.mark.parametrize("name", models(FAMILIES))
def test_each_family_trains_and_detects(name: str):
    model = small_model("boxmask", *options(name)).train()
    optimizer = build_vid_optimizer(small_cfg("boxmask", *options(name)), model)
    shape = model.backbone.bottom_up.output_shape()["map"]
    assert (shape.channels, shape.stride) == (FAMILIES[name], 16)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for step in range(2):
        optimizer.zero_grad()
        with EventStorage():
            losses = model([clip(seed=step)])
        sum(losses.values()).backward()
        optimizer.step()
    after = list(model.named_parameters())
    assert all(parameter.isfinite().all() for _, parameter in after)
    still = [n for (n, p), old in zip(after, before, strict=True) if torch.equal(p, old)]
    assert not [n for n in still if n.startswith("backbone") and not n.endswith("bias")]
    with torch.no_grad():
        for index, arrived in enumerate((2, None)):
            (found,) = model.eval()([frame(index, references=arrived)])
            assert found["instances"].pred_boxes.tensor.isfinite().all()


@pytest.mark.parametrize("name", models([*FAMILIES, *OTHERS]))
def test_the_map_is_that_of_torchvision_and_the_fast_one_is_the_same(name: str):
    whole = with_statistics(torchvision.models.get_model(name, weights=None)).double().eval()
    backbone = TorchvisionBackbone(name=name).double().eval()
    backbone.body.load_state_dict(whole.state_dict(), strict=False)
    fast = accelerate(nn.ModuleList([copy.deepcopy(backbone)]))[0].eval()
    assert type(fast).__name__ == "TorchvisionBackboneFast"
    assert list(fast.state_dict()) == list(backbone.state_dict())
    maps = {}
    stage = backbone._output.name
    whole.get_submodule(stage).register_forward_hook(lambda _, __, out: maps.update(out=out))
    image = torch.randn(2, 3, 64, 96).double()
    with torch.no_grad():
        whole(image)
        found, of_fast = backbone(image)["map"], fast(image)["map"]
    expected = maps["out"].permute(0, 3, 1, 2) if "swin" in name else maps["out"]
    assert found.shape == (2, (FAMILIES | OTHERS)[name], 4, 6)
    assert torch.equal(found, expected)
    scale = found.abs().max()
    torch.testing.assert_close(of_fast / scale, found / scale, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", DILATED)
def test_dilation(name: str):
    backbone = TorchvisionBackbone(name=name, dilated=True)
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(1, 3, 64, 96))["map"]
    assert maps.shape == (1, DILATED[name], 4, 6)


def test_resnet_50_is_the_resnet_dc5_of_detectron2():
    weights = with_statistics(torchvision.models.resnet50()).state_dict()
    config = str(CONFIGS / "ImageNetVID/selsa_R_50_DC5_7e.yaml")
    ours, theirs = (
        build_backbone(build_cfg(config, ["MODEL.DEVICE", "cpu", *map(str, opts)])).eval()
        for opts in (options("resnet50", "MODEL.VID.TORCHVISION.DILATE", True), ())
    )
    ours.bottom_up.body.load_state_dict(weights, strict=False)
    converted = convert_mmtracking(weights)
    theirs.load_state_dict(
        {name.removeprefix("backbone."): tensor for name, tensor in converted.items()}, strict=False
    )
    theirs.channel_mapper.load_state_dict(ours.channel_mapper.state_dict())
    with torch.no_grad():
        image = torch.randn(1, 3, 96, 128)
        found, expected = (backbone(image)["c5"] for backbone in (ours, theirs))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    trained = [
        sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
        for backbone in (ours, theirs)
    ]
    assert trained[0] == trained[1]


@pytest.mark.parametrize(
    ("name", "frozen"),
    [
        ("resnet18", ("conv1.", "bn1.", "layer1.")),
        ("mobilenet_v3_large", ("features.0.", "features.1.", "features.2.", "features.3.")),
        ("regnet_y_400mf", ("stem.", "trunk_output.block1.")),
        ("swin_t", ("features.0.", "features.1.")),
    ],
)
def test_frozen_stages_and_statistics(name: str, frozen: tuple[str, ...]):
    cfg = small_cfg("selsa", *options(name, "MODEL.BACKBONE.FREEZE_AT", 2))
    cfg.MODEL.VID.FREEZE_BN_STATISTICS = True
    backbone = build_backbone(cfg).train()
    body = backbone.bottom_up.body
    still = {n for n, parameter in body.named_parameters() if not parameter.requires_grad}
    assert still == {n for n, _ in body.named_parameters() if n.startswith(frozen)}
    norms = {n: m for n, m in body.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert not any(norm.training for norm in norms.values())
    assert not any(n.startswith(frozen) for n in norms)
    assert (len(norms) > 0) == (name != "swin_t")


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext_small"])
def test_layers_of_convnext_are_those_of_its_authors(name: str):
    """mmdetection's recipe: stem 0, stages 1, 2, then three blocks of the third each."""
    backbone = TorchvisionBackbone(name=name)
    layers = {n: backbone.layer_of(f"body.{n}") for n, _ in backbone.body.named_parameters()}
    third = {n: layer for n, layer in layers.items() if n.startswith("features.5.")}
    assert {layers[n] for n in layers if n.startswith("features.0.")} == {0}
    assert {layers[n] for n in layers if n.startswith("features.1.")} == {1}
    assert {layers[n] for n in layers if n.startswith(("features.2.", "features.3."))} == {2}
    assert {layers[n] for n in layers if n.startswith("features.4.")} == {3}
    assert all(layer == 3 + int(n.split(".")[2]) // 3 for n, layer in third.items())
    assert backbone.num_layers == {"convnext_tiny": 6, "convnext_small": 12}[name]


def test_images_are_padded_to_whole_cells():
    for divisibility, expected in ((16, 16), (1, 16), (24, 48)):
        cfg = small_cfg(
            "selsa", *options("mobilenet_v2", "INPUT.VID.SIZE_DIVISIBILITY", divisibility)
        )
        assert build_backbone(cfg).size_divisibility == expected


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t", "convnext_tiny"])
def test_an_image_smaller_than_a_window(name: str):
    model = small_model("troi", *options(name)).eval()
    sample = frame(0, height=20, width=18)
    with torch.no_grad():
        (found,) = model([{key: sample[key] for key in ("image", "height", "width")}])
    assert found["instances"].image_size == (20, 18)
    assert found["instances"].pred_boxes.tensor.isfinite().all()


@pytest.mark.parametrize(
    ("opts", "sentence"),
    [
        (options("resnet5"), "NAME is 'resnet5', .*did you mean resnet50 or resnet152 or"),
        (options("vit_b_16"), "'vit_b_16', which takes images of one size only: choose"),
        (options("maxvit_t"), "'maxvit_t', which takes images of one size only: choose"),
        (
            options("squeezenet1_1"),
            r"'squeezenet1_1', which has no node of stride 16 \(.*\): choose another model",
        ),
        (
            options("resnet18", "MODEL.VID.TORCHVISION.NODE", "layer4"),
            r"NODE is 'layer4', whose stride is 32: it must be 16 \(strides: 2 at relu, 4 at "
            r"layer1, 8 at layer2, 16 at layer3, 32 at layer4\)",
        ),
        (
            options("resnet18", "MODEL.VID.TORCHVISION.NODE", "layer5"),
            "NODE is 'layer5', which resnet18 lacks: did you mean layer",
        ),
        (
            options("swin_t", "MODEL.VID.TORCHVISION.DILATE", True),
            "DILATE is True, but swin_t cannot be dilated",
        ),
        (
            options("alexnet", "MODEL.VID.TORCHVISION.DILATE", True),
            "DILATE is True, but alexnet cannot be dilated",
        ),
    ],
)
def test_bad_input(opts: list, sentence: str):
    with pytest.raises(InputError, match=sentence):
        build_backbone(small_cfg("selsa", *opts))


def test_a_node_inside_a_block():
    cfg = small_cfg("selsa", *options("mobilenet_v3_large"))
    cfg.MODEL.VID.TORCHVISION.NODE = "features.13.block.0"  # what SSDLite takes
    assert build_backbone(cfg).bottom_up.output_shape()["map"].channels == 672


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "swin_v2_t"])
def test_a_fast_one_follows_its_weights_and_its_type(name: str):
    backbone = with_statistics(TorchvisionBackbone(name=name)).eval()
    fast = accelerate(nn.ModuleList([copy.deepcopy(backbone)]))[0].eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        first = fast(image)["map"]
        state = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
        for tensor in state.values():
            if tensor.is_floating_point():
                tensor *= 1.1
        backbone.load_state_dict(state)
        for assign in (False, True):
            fast.load_state_dict(state, assign=assign)
            expected, found = backbone(image)["map"], fast(image)["map"]
            assert not torch.allclose(first, expected)
            scale = expected.abs().max()
            torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-5)
        expected, found = backbone.double()(image.double()), fast.double()(image.double())
    torch.testing.assert_close(found["map"], expected["map"], rtol=1e-9, atol=1e-9)
