"""Detectron2's parts of a detector in float64, as the ``float64_boxes`` fixture makes them."""

import pytest
import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.proposal_generator.proposal_utils import find_top_rpn_proposals
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference
from detectron2.structures import Boxes, Instances, pairwise_iou

from support.golden import close, equal

THIRDS = torch.tensor([[1, 2, 10, 20], [2, 1, 20, 30]], dtype=torch.float64) / 3
SIZE = 40, 64
CLASSES = 3


@pytest.mark.usefixtures("float64_boxes")
def test_boxes_stay_float64():
    boxes, size = Boxes(THIRDS), (20, 20)
    for result in (
        boxes[:],
        boxes[torch.tensor([True, True])],
        boxes.clone(),
        boxes.to("cpu"),
        Boxes.cat([boxes[0], boxes[1:]]),
        Instances.cat([Instances(size, boxes=boxes[:1]), Instances(size, boxes=boxes[1:])]).boxes,
    ):
        equal(result.tensor, THIRDS)
    assert pairwise_iou(boxes, boxes[:1]).dtype == boxes.area().dtype == torch.float64
    assert Boxes.cat([boxes, Boxes(THIRDS.float())]).tensor.dtype == torch.float64
    assert boxes[:0].tensor.shape == (0, 4)
    boxes.clip((4, 3))
    boxes.scale(0.5, 2)
    equal(boxes.tensor, THIRDS.clamp(max=torch.tensor([3, 4, 3, 4])) * torch.tensor([0.5, 2] * 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_other_types_become_float32(dtype: torch.dtype, request: pytest.FixtureRequest):
    before = Boxes(THIRDS.to(dtype)).tensor
    request.getfixturevalue("float64_boxes")
    equal(Boxes(THIRDS.to(dtype)).tensor, before)
    assert before.dtype == Boxes(THIRDS.tolist()).tensor.dtype == torch.float32


def detect(dtype: torch.dtype) -> list[torch.Tensor]:
    """Boxes and scores of anchors, proposals and detections, from the same random numbers."""
    draw = torch.Generator().manual_seed(0)
    generator = DefaultAnchorGenerator(
        sizes=[[12.1, 25.3]], aspect_ratios=[[0.5, 1.0, 2.0]], strides=[8]
    ).to(dtype)
    (anchors,) = generator([torch.zeros(1, 1, 5, 8)])
    logits = torch.randn(1, len(anchors), generator=draw).to(dtype)
    (proposals,) = find_top_rpn_proposals(
        [anchors.tensor[None]], [logits], [SIZE], 0.7, 200, 50, 1.0, False
    )
    boxes = proposals.proposal_boxes.tensor
    shifts = 8 * torch.rand(len(boxes), 4 * CLASSES, generator=draw)
    scores = torch.randn(len(boxes), CLASSES + 1, generator=draw).to(dtype).softmax(dim=1)
    decoded = boxes.repeat(1, CLASSES) + shifts.to(dtype)
    (found,), (rows,) = fast_rcnn_inference([decoded], [scores], [SIZE], 0.1, 0.5, 30)
    results = [anchors.tensor, boxes, proposals.objectness_logits]
    assert len(boxes) == 50
    assert len(found) == 30
    return [*results, found.pred_boxes.tensor, found.scores, found.pred_classes, rows]


def test_detection_in_float64_equals_float32_but_for_rounding(request: pytest.FixtureRequest):
    single = detect(torch.float32)
    request.getfixturevalue("float64_boxes")
    double = detect(torch.float64)
    for ours, theirs in zip(double, single, strict=True):
        if theirs.dtype == torch.int64:
            equal(ours, theirs)
        else:
            assert (ours.dtype, theirs.dtype) == (torch.float64, torch.float32)
            close(ours, theirs.double(), 1e-6)
    assert not torch.equal(double[3], double[3].float().double())  # more digits than float32 has
