import math

import torch
from detectron2.modeling.box_regression import Box2BoxTransform

from boxmask_vid.modeling.box_regression import SymmetricBox2BoxTransform

WEIGHTS = (5.0, 5.0, 5.0, 5.0)


def test_decodes_as_detectron2_within_the_clamp():
    torch.manual_seed(0)
    boxes = torch.rand(20, 4) * 50
    boxes[:, 2:] += boxes[:, :2] + 1
    deltas = torch.randn(20, 12)
    ours = SymmetricBox2BoxTransform(WEIGHTS).apply_deltas(deltas, boxes)
    theirs = Box2BoxTransform(WEIGHTS).apply_deltas(deltas, boxes)
    torch.testing.assert_close(ours, theirs)


def test_clamps_shrinking_and_growing_alike():
    box = torch.tensor([[0.0, 0, 100, 100]])
    for sign in (-1, 1):
        deltas = torch.tensor([[0.0, 0, sign * 1000, sign * 1000]])
        decoded = SymmetricBox2BoxTransform(WEIGHTS).apply_deltas(deltas, box)[0]
        expected = 100 * math.exp(sign * math.log(1000 / 16))
        torch.testing.assert_close(decoded[2] - decoded[0], torch.tensor(expected))


def test_keeps_float64_and_lifts_half():
    transform = SymmetricBox2BoxTransform(WEIGHTS)
    box = torch.tensor([[0.0, 0, 100, 100]])
    for given, result in ((torch.float64, torch.float64), (torch.float16, torch.float32)):
        assert transform.apply_deltas(torch.zeros(1, 4, dtype=given), box).dtype == result
    assert transform.apply_deltas(torch.zeros(0, 24), torch.zeros(0, 4)).shape == (0, 24)
