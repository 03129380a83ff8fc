"""Gradients of Winograd's convolution against PyTorch's."""

import pytest
import torch
import torch.nn.functional as F

from boxmask_vid.modeling.backbone import ChannelMapper
from boxmask_vid.modeling.fast.channel_mapper import WinogradChannelMapper
from boxmask_vid.modeling.fast.winograd_gradient import WinogradConv3x3


# (38, 63): several parts of a map; (3, 400): more tiles in a row than are taken at once
@pytest.mark.parametrize("size", [(7, 5), (6, 8), (1, 1), (2, 2), (38, 63), (3, 400)])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_gradients_are_those_of_the_convolution(
    order: torch.memory_format, size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, grad = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 6, *size), (4, 6, 3, 3), (4,), (2, 4, *size))
    )
    x, weight, grad = (part.contiguous(memory_format=order) for part in (x, weight, grad))
    leaves = [part.requires_grad_() for part in (x, weight, bias)]
    found, expected = WinogradConv3x3.apply(*leaves), F.conv2d(*leaves, padding=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    ours, theirs = (torch.autograd.grad(maps, leaves, grad) for maps in (found, expected))
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-11, atol=1e-11)


def test_single_precision():
    x, weight = torch.randn(1, 64, 9, 12), 0.1 * torch.randn(32, 64, 3, 3)
    leaves = [part.requires_grad_() for part in (x, weight, torch.randn(32))]
    gradients = [
        torch.autograd.grad(convolved.square().sum(), leaves)
        for convolved in (WinogradConv3x3.apply(*leaves), F.conv2d(*leaves, padding=1))
    ]
    for left, right in zip(*gradients, strict=True):
        assert (left - right).abs().max() < 1e-5 * right.abs().max()


@pytest.mark.parametrize("frozen", ["input", "weight", "bias"])
def test_what_is_frozen_gets_no_gradient(frozen: str):
    x, weight, bias = torch.randn(1, 3, 5, 4), torch.randn(2, 3, 3, 3), torch.randn(2)
    leaves = {"input": x, "weight": weight, "bias": bias}
    for name, leaf in leaves.items():
        leaf.requires_grad_(name != frozen)
    WinogradConv3x3.apply(*leaves.values()).square().sum().backward()
    ours = [leaf.grad for leaf in leaves.values()]
    for leaf in leaves.values():
        leaf.grad = None
    F.conv2d(*leaves.values(), padding=1).square().sum().backward()
    for left, leaf in zip(ours, leaves.values(), strict=True):
        assert (left is None) == (leaf.grad is None)
        if left is not None:
            torch.testing.assert_close(left, leaf.grad, rtol=1e-4, atol=1e-4)


def test_the_wide_channel_mapper_learns_as_the_plain_one():
    mapper = WinogradChannelMapper(24, 8).double().to(memory_format=torch.channels_last)
    x = torch.randn(2, 24, 5, 4).double().contiguous(memory_format=torch.channels_last)
    found = []
    for forward in (WinogradChannelMapper.forward, ChannelMapper.forward):
        mapper.zero_grad()
        leaf = x.clone().requires_grad_()
        maps = forward(mapper, leaf)
        maps.square().sum().backward()
        found.append([maps, leaf.grad, mapper.weight.grad, mapper.bias.grad])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    assert found[0][2].stride() == mapper.weight.stride()
