import copy

import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import nn

from boxmask_vid.modeling.fast.dilated_conv import DilatedConv2dFast, has_phases
from boxmask_vid.modeling.fast.folded_norm_conv import FoldedNormConv2d

NORMS = {
    "batch norm": lambda: nn.BatchNorm2d(8).eval(),
    "frozen": lambda: FrozenBatchNorm2d(8),
    "learning": lambda: nn.BatchNorm2d(8),
}


def pair(norm: str, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    """Convolutions of equal weights, Detectron2's and ours."""
    convs = []
    for _ in range(2):
        torch.manual_seed(0)
        conv = Conv2d(6, 8, 3, stride=2, padding=2, dilation=2, groups=2, norm=NORMS[norm]())
        conv.activation = nn.functional.relu_
        for tensor in (conv.norm.weight, conv.norm.bias, conv.norm.running_mean):
            tensor.data.normal_()
        conv.norm.running_var.uniform_(0.5, 2)
        convs.append(conv.to(dtype))
    convs[1].__class__ = FoldedNormConv2d
    return convs[0], convs[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("norm", NORMS)
def test_without_gradients_all_bits_are_the_same(norm: str, dtype: torch.dtype):
    plain, folded = pair(norm, dtype)
    image = torch.randn(2, 6, 9, 7).to(dtype)
    before = image.clone()
    with torch.inference_mode():
        assert torch.equal(plain(image), folded(image))
    assert torch.equal(image, before)
    assert plain.state_dict().keys() == folded.state_dict().keys()


def test_the_norm_of_a_frozen_convolution_is_trained():
    gradients = []
    for module in pair("batch norm", torch.float64):
        module.weight.requires_grad = False
        image = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(1)).double()
        module(image).square().sum().backward()
        gradients.append([module.norm.weight.grad, module.norm.bias.grad])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_are_the_same(norm: str):
    plain, folded = pair(norm, torch.float64)
    gradients = []
    for module in (plain, folded):
        image = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(1)).double()
        image.requires_grad_()
        module(image).square().sum().backward()
        gradients.append([image.grad, *(p.grad for p in module.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_a_map_less_is_kept_for_the_gradient():
    kept = []
    for module in pair("batch norm", torch.float32):
        sizes = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda kept, sizes=sizes: sizes.update({kept.data_ptr(): kept.nbytes}) or kept,
            lambda kept: kept,
        ):
            module(torch.randn(2, 6, 64, 64))
        kept.append(sum(sizes.values()))
    assert kept[1] < 0.85 * kept[0]  # of image, map and output


@pytest.mark.parametrize("size", [(9, 7), (8, 6), (1, 1)])
@pytest.mark.parametrize("dilation", [2, 3])
def test_a_dilated_convolution_of_phases_is_the_same(dilation: int, size: tuple[int, int]):
    options = {"stride": 1, "padding": dilation, "dilation": dilation, "groups": 2}
    conv = Conv2d(6, 8, 3, **options, norm=nn.BatchNorm2d(8).eval()).double()
    assert has_phases(conv)
    folded = copy.deepcopy(conv)
    folded.__class__ = DilatedConv2dFast
    image = torch.randn(2, 6, *size).double().contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected, found = conv(image), folded(image)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)
