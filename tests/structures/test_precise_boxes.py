import torch
from detectron2.structures import Boxes, Instances, pairwise_iou

from boxmask_vid.structures import PreciseBoxes

THIRD = torch.tensor([[1 / 3, 2 / 3, 10 / 3, 20 / 3]], dtype=torch.float64)


def test_float64_survives_everything_that_detectron2_does_with_boxes():
    boxes = PreciseBoxes(torch.cat([THIRD, THIRD + 1]))
    results = [
        boxes[0],
        boxes[:1],
        boxes[torch.tensor([True, False])],
        boxes.clone()[:1],
        boxes.to("cpu")[:1],
        PreciseBoxes.cat([boxes[:1], boxes[1:]])[:1],
        Instances.cat([Instances((20, 20), b=boxes[:1]), Instances((20, 20), b=boxes)]).b[:1],
    ]
    for result in results:
        assert torch.equal(result.tensor, THIRD)
    boxes.clip((4, 3))
    assert boxes.tensor.dtype == torch.float64
    assert pairwise_iou(boxes, PreciseBoxes(THIRD)).dtype == torch.float64


def test_float32_and_half_are_those_of_boxes():
    for dtype in (torch.float32, torch.float16):
        tensor = THIRD.to(dtype)
        assert torch.equal(PreciseBoxes(tensor).tensor, Boxes(tensor).tensor)


def test_no_boxes():
    assert PreciseBoxes.cat([]).tensor.shape == (0, 4)
    assert PreciseBoxes(torch.empty(0, 4, dtype=torch.float64))[:0].tensor.shape == (0, 4)
