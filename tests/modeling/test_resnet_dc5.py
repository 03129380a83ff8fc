import pytest
import torch
from torch import nn

from support.small import small_model


def batch_norms(module: nn.Module) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def test_stride_16_and_dilation():
    backbone = small_model("selsa").backbone
    shape = backbone.output_shape()["c5"]
    assert (shape.channels, shape.stride) == (16, 16)
    assert backbone(torch.zeros(2, 3, 64, 96))["c5"].shape == (2, 16, 4, 6)
    res5 = backbone.bottom_up.res5
    assert [block.conv2.dilation for block in res5] == [(2, 2)] * 3
    assert [block.conv2.stride for block in res5] == [(1, 1)] * 3
    assert res5[0].shortcut.stride == (1, 1)
    assert backbone.size_divisibility == 16


def test_frozen_statistics_with_trained_affine():
    frozen = ("MODEL.VID.FREEZE_BN_STATISTICS", "True", "MODEL.BACKBONE.FREEZE_AT", "2")
    backbone = small_model("selsa", *frozen).backbone.train()
    norms = batch_norms(backbone)
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad and norm.bias.requires_grad for norm in norms)
    before = [norm.running_mean.clone() for norm in norms]
    backbone(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(norm.running_mean, old) for norm, old in zip(norms, before, strict=True))
    still = [backbone.bottom_up.stem, backbone.bottom_up.res2]
    assert not any(p.requires_grad for module in still for p in module.parameters())
    assert all(p.requires_grad for p in backbone.bottom_up.res3.parameters())


def test_statistics_are_learnt_unless_frozen():
    assert all(norm.training for norm in batch_norms(small_model("selsa").backbone.train()))


def test_another_dilation_is_refused():
    with pytest.raises(ValueError, match="RES5_DILATION must be 2"):
        small_model("selsa", "MODEL.RESNETS.RES5_DILATION", "1")
