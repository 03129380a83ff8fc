"""Detectron2's boxes and non-maximum suppression without their conversion to float32."""

from __future__ import annotations

import pytest
import torch
import torchvision
from detectron2.modeling.proposal_generator import proposal_utils
from detectron2.modeling.roi_heads import fast_rcnn
from detectron2.structures import Boxes


def keep_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make models that were converted with ``.double()`` compute in float64 throughout.

    Detectron2's ``Boxes`` and ``batched_nms`` convert everything to float32. That rounds
    coordinates by up to 3e-5 pixels, enough to change which cells Temporal RoI Align finds most
    similar, so that a float64 model would not be comparable with anything. Other types are treated
    as before.
    """
    convert = Boxes.__init__

    def keep(self: Boxes, tensor: torch.Tensor) -> None:
        convert(self, tensor)
        if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
            self.tensor = tensor.reshape(-1, 4)

    monkeypatch.setattr(Boxes, "__init__", keep)
    for module in (fast_rcnn, proposal_utils):
        monkeypatch.setattr(module, "batched_nms", torchvision.ops.batched_nms)
