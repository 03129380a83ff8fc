"""Box predictor with the box coding of the reference implementation."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import FastRCNNOutputLayers
from detectron2.structures import Instances

from ...precision import at_least_float32
from ..box_regression import SymmetricBox2BoxTransform


class VideoOutputLayers(FastRCNNOutputLayers):
    """``FastRCNNOutputLayers`` whose box decoding clamps both sides."""

    @configurable
    def __init__(self, input_shape: ShapeSpec, **kwargs) -> None:
        super().__init__(input_shape, **kwargs)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        weights = cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS
        return {
            **super().from_config(cfg, input_shape),
            "box2box_transform": SymmetricBox2BoxTransform(weights),
        }

    def predict_probs(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> tuple[torch.Tensor, ...]:
        """As the parent, in float32 under autocast, too: NMS compares what equal types have."""
        return tuple(map(at_least_float32, super().predict_probs(predictions, proposals)))
