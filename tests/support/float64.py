"""Detectron2's boxes and non-maximum suppression without their conversion to float32."""

from __future__ import annotations

import pytest
import torch
import torchvision
from detectron2.modeling.proposal_generator import proposal_utils, rpn
from detectron2.modeling.roi_heads import fast_rcnn
from detectron2.structures import Boxes, pairwise_iou


def keep_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make models that were converted with ``.double()`` compute in float64 throughout.

    Detectron2's ``Boxes`` and ``batched_nms`` convert everything to float32. That rounds
    coordinates by up to 3e-5 pixels, enough to change which cells Temporal RoI Align finds most
    similar, so that a float64 model would not be comparable with anything. Other types are treated
    as before.

    Anchors are matched in float32 as before, like those of the recordings: anchors that contain the
    same ground truth overlap it equally but for rounding, and the best of them become positive.
    """
    convert = Boxes.__init__

    def keep(self: Boxes, tensor: torch.Tensor) -> None:
        convert(self, tensor)
        if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
            self.tensor = tensor.reshape(-1, 4)

    def rounded_iou(boxes1: Boxes, boxes2: Boxes) -> torch.Tensor:
        return pairwise_iou(Boxes(boxes1.tensor.float()), Boxes(boxes2.tensor.float()))

    monkeypatch.setattr(Boxes, "__init__", keep)
    monkeypatch.setattr(rpn, "pairwise_iou", rounded_iou)
    for module in (fast_rcnn, proposal_utils):
        monkeypatch.setattr(module, "batched_nms", torchvision.ops.batched_nms)
