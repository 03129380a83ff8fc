"""Anchors that keep float64."""

from __future__ import annotations

import torch
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator

from ...structures import PreciseBoxes


@ANCHOR_GENERATOR_REGISTRY.register()
class PreciseAnchorGenerator(DefaultAnchorGenerator):
    """``DefaultAnchorGenerator`` whose anchors are :class:`PreciseBoxes`."""

    def forward(self, features: list[torch.Tensor]) -> list[PreciseBoxes]:
        """One set of (h * w * A, 4) anchors for each map (N, C, h, w), in pixels."""
        anchors = self._grid_anchors([feature.shape[-2:] for feature in features])
        return [PreciseBoxes(each) for each in anchors]
