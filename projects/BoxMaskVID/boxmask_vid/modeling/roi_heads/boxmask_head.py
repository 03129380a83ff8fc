"""BoxMask: a class-aware mask head supervised by boxes (arXiv 2210.06008, Sec. 3.2).

Boxes filled as masks ask every pixel of a RoI for its class. That teaches the shared features;
at test the head is dropped and costs nothing.
"""

from __future__ import annotations

import fvcore.nn.weight_init as weight_init
import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_MASK_HEAD_REGISTRY, MaskRCNNConvUpsampleHead
from detectron2.structures import Instances


@ROI_MASK_HEAD_REGISTRY.register()
class BoxMaskHead(MaskRCNNConvUpsampleHead):
    """``MaskRCNNConvUpsampleHead`` with the loss ``loss_boxmask``.

    RoI features (R, C, 14, 14) -> logits (R, K, 28, 28). In training every RoI is foreground and
    its image's instances have ``gt_masks``, :class:`~boxmask_vid.structures.BoxMasks`.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, **kwargs) -> None:
        super().__init__(input_shape, **kwargs)
        weight_init.c2_msra_fill(self.predictor)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        return {
            **super().from_config(cfg, input_shape),
            "loss_weight": cfg.MODEL.BOXMASK.LOSS_WEIGHT,
        }

    def forward(
        self, roi_features: torch.Tensor, instances: list[Instances]
    ) -> dict[str, torch.Tensor] | list[Instances]:
        """
        Args:
            roi_features: (R, C, P, P), plain RoIAlign of the key frames.
            instances: in training foreground proposals with ground truth, at test detections.

        Returns:
            ``{"loss_boxmask": scalar}`` in training; the instances with ``pred_masks``
            (R, 1, 2 P, 2 P), probabilities, at test.

        Raises:
            ValueError: if foreground has no ``gt_masks``, e.g. with Detectron2's own mapper.
        """
        if not self.training:
            return super().forward(roi_features, instances)
        if any(len(rois) and not rois.has("gt_masks") for rois in instances):
            raise ValueError(
                "BoxMaskHead: the training samples have no 'gt_masks'; use VIDDatasetMapper with "
                "MODEL.BOXMASK.ENABLED True, which fills the boxes."
            )
        return {"loss_boxmask": super().forward(roi_features, instances)["loss_mask"]}
