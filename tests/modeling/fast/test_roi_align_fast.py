import pytest
import torch
from detectron2.layers import ROIAlign

from boxmask_vid.modeling.fast.roi_align import ROIAlignFast


def rois(count: int) -> torch.Tensor:
    """In two maps, some beyond the border or without extent."""
    corner = torch.rand(count, 2, dtype=torch.float64) * 120 - 10
    boxes = torch.cat([corner, corner + torch.rand(count, 2) * 60], dim=1)
    boxes[::7, 2:] = boxes[::7, :2]
    return torch.cat([torch.arange(count)[:, None] % 2, boxes], dim=1)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_values_and_gradients_are_those_of_roi_align(count: int, ratio: int, order):
    options = (7, 7), 1 / 16, ratio
    boxes, results = rois(count), []
    for layer in (ROIAlign(*options), ROIAlignFast(*options)):
        generator = torch.Generator().manual_seed(0)
        maps = torch.randn(2, 5, 6, 8, generator=generator, dtype=torch.float64)
        maps = maps.contiguous(memory_format=order).requires_grad_()
        out = layer(maps, boxes)
        out.square().sum().backward()
        results.append((out, maps.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)


def test_half_precision_rounds_once():
    plain = ROIAlign((7, 7), 1 / 16, 2, aligned=True)
    maps, boxes = torch.randn(2, 5, 6, 8).bfloat16(), rois(20).float()
    found = ROIAlignFast((7, 7), 1 / 16, 2)(maps, boxes.bfloat16())
    assert found.dtype == torch.bfloat16
    expected = plain(maps.float(), boxes.bfloat16().float())
    torch.testing.assert_close(found.float(), expected, rtol=2**-8, atol=1e-6)
