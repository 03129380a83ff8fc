"""Region proposals of key frames and reference frames.

N frames, one feature map of h x w positions, A anchors each.
"""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import PROPOSAL_GENERATOR_REGISTRY
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import Boxes, ImageList, Instances
from torchvision.ops import clip_boxes_to_image, nms

from ...errors import InputError
from ...precision import at_least_float32
from ..box_regression import SymmetricBox2BoxTransform
from ..matcher import ReassigningMatcher


@PROPOSAL_GENERATOR_REGISTRY.register()
class VideoRPN(RPN):
    """``RPN`` with the anchor matching of the reference implementation, and reference frames.

    Anchors outside the image are left out before anything is matched; low-quality matches need a
    minimum IoU and re-assign the anchor; losses are divided by the number of anchors sampled.
    Works on one feature map.
    """

    training: bool

    @configurable
    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        if len(self.in_features) != 1:
            raise InputError(
                f"VideoRPN works on one feature map: MODEL.RPN.IN_FEATURES is {self.in_features}, "
                "name one of the backbone's."
            )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        ret = super().from_config(cfg, input_shape)
        ret["box2box_transform"] = SymmetricBox2BoxTransform(cfg.MODEL.RPN.BBOX_REG_WEIGHTS)
        ret["anchor_matcher"] = ReassigningMatcher(
            cfg.MODEL.RPN.IOU_THRESHOLDS,
            cfg.MODEL.RPN.IOU_LABELS,
            min_quality=cfg.MODEL.VID.RPN_MIN_LOW_QUALITY_IOU,
        )
        return ret

    @torch.no_grad()
    def propose(self, images: ImageList, features: dict[str, torch.Tensor]) -> list[Instances]:
        """Proposals of N reference frames, with test-time counts whatever the mode."""
        training, self.training = self.training, False
        try:
            return super().forward(images, features)[0]
        finally:
            self.training = training

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """As ``RPN``, for the anchors inside the (unpadded) image; all others are ignored."""
        all_anchors = Boxes.cat(anchors)
        labels, matched_boxes = [], []
        for truth in gt_instances:
            inside = all_anchors.inside_box(truth.image_size).nonzero().flatten()
            (labels_inside,), (boxes_inside,) = super().label_and_sample_anchors(
                [all_anchors[inside]], [truth]
            )
            labels.append(labels_inside.new_full((len(all_anchors),), -1))
            labels[-1][inside] = labels_inside
            # any box will do for the others
            matched_boxes.append(all_anchors.tensor.to(boxes_inside.dtype, copy=True))
            matched_boxes[-1][inside] = boxes_inside
        return labels, matched_boxes

    def losses(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        gt_labels: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        gt_boxes: list[torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """As ``RPN``, divided by the number of sampled anchors, counting at least one positive
        and one negative for each image."""
        losses = super().losses(
            anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes
        )
        labels = torch.stack(gt_labels)
        counts = [(labels == label).sum(dim=1).clamp(min=1).sum() for label in (0, 1)]
        scale = self.batch_size_per_image * len(gt_labels) / sum(counts)
        return {name: loss * scale for name, loss in losses.items()}

    @torch.no_grad()
    def predict_proposals(
        self,
        anchors: list[Boxes],
        pred_objectness_logits: list[torch.Tensor],
        pred_anchor_deltas: list[torch.Tensor],
        image_sizes: list[tuple[int, int]],
    ) -> list[Instances]:
        """The best boxes of every frame, by falling objectness.

        Args:
            anchors: one set of (h * w * A, 4).
            pred_objectness_logits: one tensor (N, h * w * A).
            pred_anchor_deltas: one tensor (N, h * w * A, 4).
            image_sizes: N unpadded (height, width), in pixels.

        Raises:
            FloatingPointError: if a prediction is NaN or infinite.
        """
        (logits,), (deltas,), (boxes_of_map,) = pred_objectness_logits, pred_anchor_deltas, anchors
        logits, deltas = map(at_least_float32, (logits, deltas))  # half precision under autocast
        topk = self.pre_nms_topk[self.training]
        # a slice, whose length depends on the size of the map in an exported graph, too
        scores, order = (column[:, :topk] for column in logits.sort(dim=1, descending=True))
        chosen = deltas.gather(1, order[:, :, None].expand(-1, -1, 4))
        boxes = self.box2box_transform.apply_deltas(
            chosen.flatten(0, 1), boxes_of_map.tensor[order.flatten()]
        ).view(len(order), -1, 4)
        if not (boxes.isfinite().all() & scores.isfinite().all()):
            raise FloatingPointError(
                "VideoRPN predicts boxes or scores that are NaN or infinite: training has "
                "diverged (lower SOLVER.BASE_LR), or the checkpoint is broken."
            )
        proposals = []
        for frame_boxes, frame_scores, size in zip(boxes, scores, image_sizes, strict=True):
            frame_boxes = clip_boxes_to_image(frame_boxes, size)
            keep = Boxes(frame_boxes).nonempty(threshold=self.min_box_size).nonzero().flatten()
            frame_boxes, frame_scores = frame_boxes[keep], frame_scores[keep]
            keep = self.suppress(frame_boxes, frame_scores, self.post_nms_topk[self.training])
            proposals.append(
                Instances(
                    size,
                    proposal_boxes=Boxes(frame_boxes[keep]),
                    objectness_logits=frame_scores[keep],
                )
            )
        return proposals

    def suppress(self, boxes: torch.Tensor, scores: torch.Tensor, count: int) -> torch.Tensor:
        """Rows of the best boxes that non-maximum suppression keeps.

        Args:
            boxes: (N, 4) ``x1, y1, x2, y2`` in pixels, by falling score.
            scores: (N,).
            count: of the rows, at most.
        """
        return nms(boxes, scores, self.nms_thresh)[:count]
