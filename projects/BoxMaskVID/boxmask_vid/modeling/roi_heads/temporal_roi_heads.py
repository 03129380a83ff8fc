"""RoI heads that look at reference frames.

B key frames with R RoIs each, T reference frames of a key frame with M RoIs in all, C channels,
P pooler size, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads import StandardROIHeads
from detectron2.structures import ImageList, Instances

from ...errors import InputError
from ...references import check_count
from ..encoded_frame import EncodedFrame, References
from ..layers import TemporalROIAlign
from ..matcher import ReassigningMatcher
from .reference_box_head import ReferenceBoxHead
from .video_output_layers import VideoOutputLayers


@ROI_HEADS_REGISTRY.register()
class TemporalROIHeads(StandardROIHeads):
    """``StandardROIHeads`` with Temporal RoI Align, a box head with references, and BoxMask.

    Every one of them is optional: with a box head of Detectron2's and without Temporal RoI Align
    this is the RoI head of a single-frame detector.
    """

    @configurable
    def __init__(
        self,
        *,
        temporal_roi_align: TemporalROIAlign | None,
        predict_masks: bool,
        map_stride: int,
        **kwargs,
    ) -> None:
        """
        Args:
            temporal_roi_align: enriches the pooled features of key RoIs; None for plain RoIAlign.
            predict_masks: run the mask head at test, too.
            map_stride: pixels of the input for each cell of the feature map.
            kwargs: see ``StandardROIHeads``.
        """
        super().__init__(**kwargs)
        self.temporal_roi_align = temporal_roi_align
        self.predict_masks = predict_masks
        self.map_stride = map_stride

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        heads, troi = cfg.MODEL.ROI_HEADS, cfg.MODEL.VID.TROI
        if len(heads.IN_FEATURES) != 1 or heads.IN_FEATURES[0] not in input_shape:
            raise InputError(
                "TemporalROIHeads works on one feature map: MODEL.ROI_HEADS.IN_FEATURES is "
                f"{heads.IN_FEATURES}, the backbone has {list(input_shape)}: name one of them."
            )
        ret = super().from_config(cfg, input_shape)
        if ret["train_on_pred_boxes"]:
            raise InputError(
                "MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES is True: TemporalROIHeads needs False."
            )
        ret["proposal_matcher"] = ReassigningMatcher(
            heads.IOU_THRESHOLDS,
            heads.IOU_LABELS,
            min_quality=heads.IOU_THRESHOLDS[-1],
            ground_truth_appended=heads.PROPOSAL_APPEND_GT,
        )
        shape = input_shape[heads.IN_FEATURES[0]]
        ret["map_stride"] = shape.stride
        ret["temporal_roi_align"] = None
        if troi.ENABLED:
            check_count("MODEL.VID.TROI.NUM_MOST_SIMILAR", troi.NUM_MOST_SIMILAR, least=1)
            check_count("MODEL.VID.TROI.NUM_HEADS", troi.NUM_HEADS, divides=shape.channels)
            ret["temporal_roi_align"] = TemporalROIAlign(
                channels=shape.channels,
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
                raise InputError(
                    "MODEL.MASK_ON and MODEL.BOXMASK.ENABLED exclude each other: set one to False."
                )
            cfg = cfg.clone()
            cfg.defrost()
            cfg.MODEL.MASK_ON = True
        return super()._init_mask_head(cfg, input_shape)

    @property
    def uses_references(self) -> bool:
        """Whether anything in the heads looks at reference frames."""
        return self.box_head_uses_references or self.temporal_roi_align is not None

    @property
    def box_head_uses_references(self) -> bool:
        """Whether the box head is a :class:`ReferenceBoxHead`."""
        return isinstance(self.box_head, ReferenceBoxHead)

    def encode(
        self, features: dict[str, torch.Tensor], proposals: Sequence[Instances | None]
    ) -> list[EncodedFrame]:
        """Frames as the heads take them, as key or as reference.

        Args:
            features: maps (N, C, h, w) of N frames.
            proposals: N sets of proposals; None for a frame that is nowhere a reference.
        """
        maps = features[self.box_in_features[0]]
        frames = [EncodedFrame() for _ in proposals]
        rows = [row for row, boxes in enumerate(proposals) if boxes is not None]
        if self.temporal_roi_align is not None:
            self._encode_maps(self.temporal_roi_align, maps, proposals, frames)
        if self.box_head_uses_references and rows:
            used = maps if len(rows) == len(maps) else torch.stack([maps[row] for row in rows])
            self._encode_rois(used, [proposals[row] for row in rows], [frames[row] for row in rows])
        return frames

    def _encode_maps(
        self,
        temporal_roi_align: TemporalROIAlign,
        maps: torch.Tensor,
        proposals: Sequence[Instances | None],
        frames: Sequence[EncodedFrame],
    ) -> None:
        encoded = temporal_roi_align.encode(maps)
        for row, (frame, boxes) in enumerate(zip(frames, proposals, strict=True)):
            frame.features = encoded[row]
            if boxes is None:
                continue
            height, width = (-(-size // self.map_stride) for size in boxes.image_size)
            if (height, width) == tuple(maps.shape[2:]):
                frame.reference.maps.append(frame.features)
            else:  # without the cells that pad the batch
                unpadded = maps[row : row + 1, :, :height, :width]
                frame.reference.maps += temporal_roi_align.encode(unpadded)

    def _encode_rois(
        self,
        maps: torch.Tensor,
        proposals: Sequence[Instances],
        frames: Sequence[EncodedFrame],
    ) -> None:
        boxes = [instances.proposal_boxes for instances in proposals]
        counts = [len(rois) for rois in boxes]
        pooled = self.box_pooler([maps], boxes)
        embedded = self.box_head.embed(pooled)
        for frame, rois, own in zip(
            frames, pooled.split(counts), embedded.split(counts), strict=True
        ):
            frame.pooled, frame.embedded = rois, own
        for stage in self.box_head.project(embedded):
            for frame, *parts in zip(frames, *(part.split(counts) for part in stage), strict=True):
                frame.reference.attention_kv.append(tuple(parts))

    def forward(
        self,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
        *,
        keys: Sequence[EncodedFrame] | None = None,
        references: Sequence[References] | None = None,
    ) -> tuple[list[Instances], dict[str, torch.Tensor]]:
        """As ``StandardROIHeads``, with the references of each of the B key frames.

        Args:
            keys: the B key frames, from :meth:`encode` with the same proposals if any.
            references: B sets; as ``keys`` may be None if :attr:`uses_references` is False.
        """
        del images
        if self.training:
            assert targets is not None, "ground truth is required in training"
            proposals = self.label_and_sample_proposals(proposals, targets)
            return proposals, {
                **self._forward_box(features, proposals, keys, references),
                **self._forward_mask(features, proposals),
                **self._forward_keypoint(features, proposals),
            }
        instances = self._forward_box(features, proposals, keys, references)
        return self.forward_with_given_boxes(features, instances), {}

    def _forward_box(
        self,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
        keys: Sequence[EncodedFrame] | None = None,
        references: Sequence[References] | None = None,
    ) -> Any:
        """Losses in training, else detections."""
        maps = [features[name] for name in self.box_in_features]
        if self.uses_references:
            assert keys is not None, "these heads need encoded frames"
            assert references is not None, "these heads need reference frames"
            box_features = self._temporal_box_features(maps, proposals, keys, references)
        else:
            pooled = self.box_pooler(maps, [rois.proposal_boxes for rois in proposals])
            box_features = self.box_head(pooled)
        predictions = self.box_predictor(box_features)
        if self.training:
            return self.box_predictor.losses(predictions, proposals)
        return self.box_predictor.inference(predictions, proposals)[0]

    def _temporal_box_features(
        self,
        maps: list[torch.Tensor],
        proposals: list[Instances],
        keys: Sequence[EncodedFrame],
        references: Sequence[References],
    ) -> torch.Tensor:
        """(sum of R, D) of the RoIs of all key frames."""
        boxes = [instances.proposal_boxes for instances in proposals]
        if self.training or keys[0].pooled is None:  # not the RoIs that were encoded
            pooled = self.box_pooler(maps, boxes).split([len(rois) for rois in boxes])
            keys = [
                replace(key, pooled=rois, embedded=None)
                for key, rois in zip(keys, pooled, strict=True)
            ]
            del pooled
        outputs = []
        for box, key, reference in zip(boxes, keys, references, strict=True):
            rois, own = key.pooled, key.embedded
            if self.temporal_roi_align is not None:
                rois = self.temporal_roi_align(rois, box.tensor, key.features, reference.maps)
                own = None
                if not self.training:
                    key.pooled = None  # much, and not needed while the RoIs are embedded
            if not self.box_head_uses_references:
                outputs.append(self.box_head(rois))
                continue
            own = self.box_head.embed(rois) if own is None else own
            del rois
            outputs.append(self.box_head.aggregate(own, reference.attention_kv))
        return torch.cat(outputs)

    def _forward_mask(self, features: dict[str, torch.Tensor], instances: list[Instances]) -> Any:
        if not self.training and not self.predict_masks:
            return instances
        return super()._forward_mask(features, instances)
