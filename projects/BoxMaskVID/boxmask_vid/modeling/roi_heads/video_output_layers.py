"""Box predictor with the box coding of the reference implementation."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import FastRCNNOutputLayers
from detectron2.structures import Boxes, Instances
from torchvision.ops import batched_nms, clip_boxes_to_image

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

    def inference(
        self, predictions: tuple[torch.Tensor, torch.Tensor], proposals: list[Instances]
    ) -> tuple[list[Instances], list[torch.Tensor]]:
        """Score threshold, class-wise NMS and the best boxes.

        As ``FastRCNNOutputLayers.inference``, with four waits for a GPU less in each frame.

        Args:
            predictions: (R, K + 1) scores and (R, 4 K) deltas of all images.
            proposals: one set for each image.

        Returns:
            detections of each image by falling score, and the proposals that they come from.
        """
        scores, deltas = map(at_least_float32, predictions)  # half precision under autocast
        predictions = scores, deltas
        results, kept = [], []
        for boxes, scores, proposal in zip(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            proposals,
            strict=True,
        ):
            rows, classes = (scores[:, :-1] > self.test_score_thresh).nonzero(as_tuple=True)
            boxes = boxes.unflatten(1, (-1, 4))
            boxes = boxes[rows, classes % boxes.shape[1]]  # one box a row if class-agnostic
            boxes, scores = clip_boxes_to_image(boxes, proposal.image_size), scores[rows, classes]
            keep = batched_nms(boxes, scores, classes, self.test_nms_thresh)
            keep = keep[: self.test_topk_per_image]
            results.append(
                Instances(
                    proposal.image_size,
                    pred_boxes=Boxes(boxes[keep]),
                    scores=scores[keep],
                    pred_classes=classes[keep],
                )
            )
            kept.append(rows[keep])
        return results, kept
