import pytest
import torch

from boxmask_vid.modeling.backbone import ChannelMapper
from boxmask_vid.modeling.fast.channel_mapper import ChannelMapperFast, WinogradChannelMapper
from boxmask_vid.modeling.fast.winograd import winograd_conv3x3, winograd_filters


def maps_and_gradients(mapper: ChannelMapperFast, x: torch.Tensor) -> list[tuple]:
    """Ours and PyTorch's."""
    found = []
    for forward in (ChannelMapperFast.forward, ChannelMapper.forward):
        mapper.zero_grad()
        leaf = x.detach().requires_grad_(x.requires_grad)
        maps = forward(mapper, leaf)
        (maps * torch.linspace(-1, 2, maps.numel()).view_as(maps)).sum().backward()
        found.append([maps, leaf.grad, *(p.grad for p in mapper.parameters())])
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(7, 5), (1, 4), (1, 1)])
def test_gradients_are_those_of_pytorch(
    size: tuple[int, int], order: torch.memory_format, dtype: torch.dtype
):
    mapper = ChannelMapperFast(6, 4).to(dtype=dtype, memory_format=order)
    torch.nn.init.normal_(mapper.bias)
    x = torch.randn(3, 6, *size, dtype=dtype).contiguous(memory_format=order).requires_grad_()
    precision = {torch.float64: 1e-12, torch.float32: 2e-5}[dtype]
    found = maps_and_gradients(mapper, x)
    for ours, theirs in found:
        torch.testing.assert_close(ours, theirs, rtol=precision, atol=precision)
    of_weight, _ = found[2]
    assert of_weight.is_contiguous(memory_format=order)


@pytest.mark.parametrize("frozen", ["input", "weight", "bias"])
def test_what_is_frozen_gets_no_gradient(frozen: str):
    mapper = ChannelMapperFast(6, 4)
    x = torch.randn(2, 6, 5, 5, requires_grad=frozen != "input")
    if frozen != "input":
        getattr(mapper, frozen).requires_grad_(False)
    found = maps_and_gradients(mapper, x)
    assert [ours is None for ours, _ in found].count(True) == 1
    for ours, theirs in found:
        torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


def test_mixed_precision():
    mapper = ChannelMapperFast(6, 4)
    x = torch.randn(2, 6, 5, 5, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = maps_and_gradients(mapper, x)
    assert found[0][0].dtype == torch.bfloat16
    assert all(torch.equal(ours, theirs) for ours, theirs in found)


@pytest.mark.parametrize("size", [(7, 5), (6, 8), (1, 4), (5, 1), (1, 1), (2, 2)])
@pytest.mark.parametrize("order", [torch.channels_last, torch.contiguous_format])
def test_winograd_is_the_convolution(order: torch.memory_format, size: tuple[int, int]):
    conv = torch.nn.Conv2d(6, 4, 3, padding=1).double()
    x = torch.randn(3, 6, *size).double().contiguous(memory_format=order)
    with torch.no_grad():
        found = winograd_conv3x3(x, winograd_filters(conv.weight), conv.bias)
        torch.testing.assert_close(found, conv(x), rtol=1e-12, atol=1e-12)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_at_test_it_is_the_convolution_with_the_weights_of_that_time():
    mapper = WinogradChannelMapper(24, 8).eval()
    x = torch.randn(2, 24, 5, 4).double()
    others = {name: torch.randn_like(weight) for name, weight in mapper.state_dict().items()}

    def check(precision: float) -> None:
        with torch.inference_mode():
            maps = x.to(mapper.weight.dtype)
            found, expected = mapper(maps), ChannelMapper.forward(mapper, maps)
            precision *= expected.max().item()
            torch.testing.assert_close(found, expected, rtol=precision, atol=precision)

    check(1e-5)
    check(1e-5)  # with filters that are kept
    mapper.load_state_dict(others)
    check(1e-5)
    mapper.double()
    check(1e-13)
    mapper.weight.data.mul_(2)  # which the version of a tensor does not count
    check(1e-13)
    mapper.weight.data[:, 3] = 0  # one channel, as pruning does
    check(1e-13)
    mapper(x).sum().backward()
    with torch.no_grad():
        mapper.weight -= 0.1 * mapper.weight.grad
    check(1e-13)
