"""RoI heads that look at reference frames.

B key frames with R RoIs each, T reference frames of a key frame with M RoIs in all, C channels,
P pooler size, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads import StandardROIHeads
from detectron2.structures import ImageList, Instances
from torch import nn

from ..layers import TemporalROIAlign
from ..matcher import ReassigningMatcher
from ..reference_memory import References
from .video_output_layers import VideoOutputLayers


@ROI_HEADS_REGISTRY.register()
class TemporalROIHeads(StandardROIHeads):
    """``StandardROIHeads`` with Temporal RoI Align, a box head with references, and BoxMask.

    Every one of them is optional: with a box head of Detectron2's and without Temporal RoI Align
    this is the RoI head of a single-frame detector.
    """

    @configurable
    def __init__(
        self, *, temporal_roi_align: nn.Module | None, predict_masks: bool, **kwargs
    ) -> None:
        """
        Args:
            temporal_roi_align: enriches the pooled features of key RoIs; None for plain RoIAlign.
            predict_masks: run the mask head at test, too.
            kwargs: see ``StandardROIHeads``.
        """
        super().__init__(**kwargs)
        self.temporal_roi_align = temporal_roi_align
        self.predict_masks = predict_masks
        self.box_head_uses_references = hasattr(self.box_head, "encode_references")

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        heads, troi = cfg.MODEL.ROI_HEADS, cfg.MODEL.VID.TROI
        if len(heads.IN_FEATURES) != 1:
            raise ValueError(
                "TemporalROIHeads works on one feature map: MODEL.ROI_HEADS.IN_FEATURES is "
                f"{heads.IN_FEATURES}."
            )
        ret = super().from_config(cfg, input_shape)
        if ret["train_on_pred_boxes"]:
            raise ValueError(
                "TemporalROIHeads: MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES must be False"
            )
        ret["proposal_matcher"] = ReassigningMatcher(
            heads.IOU_THRESHOLDS,
            heads.IOU_LABELS,
            min_quality=heads.IOU_THRESHOLDS[-1],
            ground_truth_appended=heads.PROPOSAL_APPEND_GT,
        )
        ret["temporal_roi_align"] = None
        if troi.ENABLED:
            ret["temporal_roi_align"] = TemporalROIAlign(
                channels=input_shape[heads.IN_FEATURES[0]].channels,
                num_most_similar=troi.NUM_MOST_SIMILAR,
                num_heads=troi.NUM_HEADS,
            )
        ret["predict_masks"] = cfg.MODEL.MASK_ON or cfg.MODEL.BOXMASK.PREDICT_MASKS
        return ret

    @classmethod
    def _init_box_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        ret = super()._init_box_head(cfg, input_shape)
        ret["box_predictor"] = VideoOutputLayers(cfg, ret["box_head"].output_shape)
        return ret

    @classmethod
    def _init_mask_head(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        # MODEL.MASK_ON would also make the mapper read instance masks and the evaluator score
        # them; BoxMask wants the head alone.
        if cfg.MODEL.BOXMASK.ENABLED:
            if cfg.MODEL.MASK_ON:
                raise ValueError("MODEL.MASK_ON and MODEL.BOXMASK.ENABLED exclude each other.")
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.MASK_ON = True
        return super()._init_mask_head(cfg, input_shape)

    @property
    def uses_references(self) -> bool:
        """Whether anything in the heads looks at reference frames."""
        return self.box_head_uses_references or self.temporal_roi_align is not None

    def encode_references(
        self, features: dict[str, torch.Tensor], proposals: list[Instances], map_stride: int
    ) -> list[References]:
        """What the heads need of reference frames, frame by frame.

        Args:
            features: maps (N, C, h, w) of N frames.
            proposals: N sets of proposals.
            map_stride: pixels of the input for each cell of the maps.
        """
        maps = features[self.box_in_features[0]]
        frames = [References() for _ in proposals]
        if self.box_head_uses_references:
            pooled = self.box_pooler([maps], [each.proposal_boxes for each in proposals])
            counts = [len(each) for each in proposals]
            for keys, values in self.box_head.encode_references(pooled):
                for frame, *stage in zip(
                    frames, keys.split(counts), values.split(counts), strict=True
                ):
                    frame.stages.append(tuple(stage))
        if self.temporal_roi_align is not None:
            for frame, each, proposal in zip(frames, maps, proposals, strict=True):
                height, width = (-(-size // map_stride) for size in proposal.image_size)
                frame.maps.append(each[:, :height, :width])
        return frames

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
        *,
        references: Sequence[References] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """As ``StandardROIHeads``, with the references of each of the B key frames.

        Args:
            references: B sets; may be None if :attr:`uses_references` is False.
        """
        del images
        if self.training:
            assert targets is not None, "ground truth is required in training"
            proposals = self.label_and_sample_proposals(proposals, targets)
            losses = self._forward_box(features, proposals, references)
            losses.update(self._forward_mask(features, proposals))
            losses.update(self._forward_keypoint(features, proposals))
            return proposals, losses
        instances = self._forward_box(features, proposals, references)
        return self.forward_with_given_boxes(features, instances), {}

    def _forward_box(
        self,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        references: Sequence[References] | None = None,
    ) -> dict[str, torch.Tensor] | list[Instances]:
        maps = [features[name] for name in self.box_in_features]
        pooled = self.box_pooler(maps, [each.proposal_boxes for each in proposals])
        predictions = self.box_predictor(self._box_features(pooled, proposals, references))
        if self.training:
            return self.box_predictor.losses(predictions, proposals)
        return self.box_predictor.inference(predictions, proposals)[0]

    def _box_features(
        self,
        pooled: torch.Tensor,
        proposals: list[Instances],
        references: Sequence[References] | None,
    ) -> torch.Tensor:
        """(sum of R, C, P, P) pooled features of all key frames -> (sum of R, D)."""
        if not self.uses_references:
            return self.box_head(pooled)
        assert references is not None, "these heads need reference frames"
        outputs = []
        counts = [len(each) for each in proposals]
        for clip, reference in zip(pooled.split(counts), references, strict=True):
            if self.temporal_roi_align is not None:
                clip = self.temporal_roi_align(clip, reference.maps)
            if self.box_head_uses_references:
                outputs.append(self.box_head(clip, reference.stages))
            else:
                outputs.append(self.box_head(clip))
        return torch.cat(outputs)

    def _forward_mask(
        self, features: dict[str, torch.Tensor], instances: list[Instances]
    ) -> dict[str, torch.Tensor] | list[Instances]:
        if not self.training and not self.predict_masks:
            return instances
        return super()._forward_mask(features, instances)
