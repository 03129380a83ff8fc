"""Proposals of the fast RPN, to the bit those of the other."""

import pytest
import torch
from torchvision.ops import nms

from boxmask_vid.modeling import accelerate
from boxmask_vid.modeling.fast import restore
from support.small import small_model


@pytest.fixture(scope="module")
def rpn() -> torch.nn.Module:
    return small_model("selsa").proposal_generator


def boxes_and_scores(
    number: int, spread: float, levels: int, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes by falling score, many of which are equal with few levels."""
    generator = torch.Generator().manual_seed(number)
    corner = torch.rand(number, 2, generator=generator) * spread
    size = 20 + 80 * torch.rand(number, 2, generator=generator)
    scores = torch.randint(levels, (number,), generator=generator).sort(descending=True).values
    return torch.cat([corner, corner + size], dim=1).to(dtype), scores.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [3, 100000])
@pytest.mark.parametrize("spread", [0.0, 60.0, 3000.0])
@pytest.mark.parametrize("number", [0, 1, 7, 400, 3000])
def test_the_same_rows_are_kept(rpn, number: int, spread: float, levels: int, dtype: torch.dtype):
    """Boxes that suppress each other nearly all, and ones that hardly meet."""
    boxes, scores = boxes_and_scores(number, spread, levels, dtype)
    everything = nms(boxes, scores, rpn.nms_thresh)
    for count in (1, 10, 300, 10000):
        assert torch.equal(rpn.suppress(boxes, scores, count), everything[:count])


def test_proposals_are_equal_to_the_bit():
    model, paper = small_model("selsa"), small_model("selsa", "MODEL.VID.ACCELERATE", False)
    generator = torch.Generator().manual_seed(3)
    shape = torch.zeros(2, 16, 30, 40)
    anchors = model.proposal_generator.anchor_generator([shape])
    logits = torch.randn(2, len(anchors[0]), generator=generator)
    deltas = torch.randn(2, len(anchors[0]), 4, generator=generator)
    sizes = [(480, 640), (300, 500)]
    for training in (False, True):
        found = [
            one.train(training).proposal_generator.predict_proposals(
                anchors, [logits], [deltas], sizes
            )
            for one in (model, paper)
        ]
        for left, right in zip(*found, strict=True):
            assert len(left) == (20 if training else 10)
            assert torch.equal(left.proposal_boxes.tensor, right.proposal_boxes.tensor)
            assert torch.equal(left.objectness_logits, right.objectness_logits)


def test_it_can_be_left_out():
    model = small_model("selsa")
    restore(model, "VideoRPNFast")
    assert type(model.proposal_generator).__name__ == "VideoRPN"
    accelerate(model)
    assert type(model.proposal_generator).__name__ == "VideoRPNFast"
