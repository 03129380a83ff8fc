"""The models in the plain formulation of the papers and of their implementation.

Everything about the reference frames but their feature maps is computed again for every key
frame; Temporal RoI Align compares every RoI cell with every cell of every reference frame and
convolves every RoI. Same parameters, same results: what the fast formulation is tested against
(``MODEL.META_ARCHITECTURE "PlainVideoRCNN"``) and measured against (``tools/benchmark.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, ShapeSpec
from detectron2.modeling import (
    BACKBONE_REGISTRY,
    META_ARCH_REGISTRY,
    ROI_HEADS_REGISTRY,
    build_resnet_backbone,
)
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import ImageList, Instances

from .backbone import ChannelMapper, ResNetDC5
from .encoded_frame import EncodedFrame
from .layers import FrameCells, TemporalROIAlign, largest_of_rows
from .meta_arch import VideoRCNN
from .reference_memory import References
from .roi_heads import TemporalROIHeads


def plain_config(cfg: CfgNode) -> CfgNode:
    """The config of the plain formulation of a model."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.MODEL.META_ARCHITECTURE = "PlainVideoRCNN"
    cfg.MODEL.BACKBONE.NAME = "build_plain_resnet_dc5_backbone"
    cfg.MODEL.ROI_HEADS.NAME = "PlainTemporalROIHeads"
    cfg.MODEL.VID.TEST.MEMORY.PRECISION, cfg.MODEL.VID.TEST.MEMORY.BUDGET_MB = "full", -1
    return cfg


class PlainChannelMapper(ChannelMapper):
    """PyTorch's convolution, with its gradients."""

    forward = Conv2d.forward


class PlainResNetDC5(ResNetDC5):
    """With maps in PyTorch's usual order."""

    channel_mapper_type = PlainChannelMapper

    def _in_order(self, images: torch.Tensor) -> torch.Tensor:
        return images


@BACKBONE_REGISTRY.register()
def build_plain_resnet_dc5_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> PlainResNetDC5:
    """``build_resnet_dc5_backbone`` with Detectron2's own convolutions."""
    return PlainResNetDC5.from_config(cfg, build_resnet_backbone(cfg, input_shape))


def most_similar_cells(cells: torch.Tensor, positions: torch.Tensor, count: int) -> torch.Tensor:
    """What a reference frame has for each RoI cell.

    Cosine similarity between RoI cells and reference cells; the features of the K best are
    averaged with the softmax of their cosines as weights. An all-zero cell is similar to nothing
    (cosine 0).

    Args:
        cells: (N, C).
        positions: (C, L) cells of the reference frame.
        count: K.

    Returns:
        (N, C).
    """
    cosine = F.normalize(cells, dim=1) @ F.normalize(positions, dim=0)
    best, index = largest_of_rows(cosine, count)
    nearest = positions.t()[index]  # (N, K, C)
    return (nearest * best.softmax(dim=1)[:, :, None]).sum(dim=1)


class PlainTemporalROIAlign(TemporalROIAlign):
    """Temporal RoI Align as the paper writes it.

    R key RoIs, C channels, P pooler size, T reference frames of h_t x w_t cells.
    """

    def forward(
        self,
        roi_features: torch.Tensor,
        boxes: torch.Tensor,
        key: FrameCells | None,
        references: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """
        Args:
            roi_features: (R, C, P, P), RoIAlign of the key frame.
            boxes, key: not needed.
            references: T maps (C, h_t, w_t) without cells that only pad a batch.

        Returns:
            (R, C, P, P).
        """
        del boxes, key
        similar = [self.most_similar(roi_features, each) for each in references]
        return self.aggregate(torch.stack([roi_features, *similar]))

    def most_similar(self, roi_features: torch.Tensor, reference_map: torch.Tensor) -> torch.Tensor:
        """Most similar RoI Align of one reference frame (Eq. 1-3).

        Args:
            roi_features: (R, C, P, P).
            reference_map: (C, h, w).

        Returns:
            (R, C, P, P).
        """
        cells = roi_features.permute(0, 2, 3, 1).flatten(0, 2)
        with torch.autocast(cells.device.type, enabled=False):
            precise = torch.promote_types(cells.dtype, torch.float32)
            positions = reference_map.flatten(1).to(precise)
            mixed = most_similar_cells(cells.to(precise), positions, self.num_most_similar)
        rois, channels, height, width = roi_features.shape
        mixed = mixed.to(cells.dtype).view(rois, height, width, channels)
        return mixed.permute(0, 3, 1, 2)

    def aggregate(self, frames: torch.Tensor) -> torch.Tensor:
        """Temporal attention over frames, for every cell and head (Eq. 4-6).

        Args:
            frames: (T + 1, R, C, P, P), the key frame first.

        Returns:
            (R, C, P, P), a convex combination of the frames.
        """
        if not self.num_heads:
            return frames.mean(dim=0)
        embedded = self.embed(frames.flatten(0, 1)).view_as(frames)
        with torch.autocast(frames.device.type, enabled=False):
            precise = torch.promote_types(embedded.dtype, torch.float32)
            embedded = self._heads(embedded.to(precise))  # (T + 1, R, heads, C / heads, P, P)
            score = (embedded * embedded[:1]).sum(dim=3, keepdim=True) / embedded.shape[3] ** 0.5
            attention = score.softmax(dim=0)
        return (self._heads(frames) * attention.to(frames.dtype)).sum(dim=0).flatten(1, 2)

    def _heads(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.unflatten(2, (self.num_heads, -1))


@ROI_HEADS_REGISTRY.register()
class PlainTemporalROIHeads(TemporalROIHeads):
    """``TemporalROIHeads`` that share nothing between a frame as reference and as key frame."""

    temporal_roi_align_class = PlainTemporalROIAlign

    @classmethod
    def _build_box_pooler(cls, pooler: ROIPooler) -> ROIPooler:
        return pooler

    def encode(
        self,
        features: dict[str, torch.Tensor],
        proposals: Sequence[Instances | None],
        map_stride: int,
    ) -> list[EncodedFrame]:
        maps = features[self.box_in_features[0]]
        frames = [EncodedFrame() for _ in proposals]
        used = [row for row, each in enumerate(proposals) if each is not None]
        if self.box_head_uses_references and used:
            boxes = [proposals[row].proposal_boxes for row in used]
            counts = [len(each) for each in boxes]
            pooled = self.box_pooler([maps[used]], boxes)
            for keys, values in self.box_head.encode_references(pooled):
                for row, *stage in zip(used, keys.split(counts), values.split(counts), strict=True):
                    frames[row].reference.stages.append(tuple(stage))
        if self.temporal_roi_align is not None:
            for row in used:
                height, width = (-(-size // map_stride) for size in proposals[row].image_size)
                frames[row].reference.maps.append(maps[row, :, :height, :width])
        return frames


@dataclass
class FeatureMaps:
    """What the plain formulation remembers of a frame: maps (1, C, h, w) and the image's size."""

    features: dict[str, torch.Tensor]
    image_size: tuple[int, int]


@META_ARCH_REGISTRY.register()
class PlainVideoRCNN(VideoRCNN):
    """``VideoRCNN`` that remembers the feature maps of reference frames and nothing else."""

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[dict] | list[Instances]:
        if detected_instances is not None or not self.roi_heads.uses_references:
            return super().inference(batched_inputs, detected_instances, do_postprocess)
        arrived_frames, reference_rows = self._frames(batched_inputs)
        images = self._images(arrived_frames)
        features = self.backbone(images.tensor)
        frames = [
            FeatureMaps({name: maps[row : row + 1] for name, maps in features.items()}, size)
            for row, size in enumerate(images.image_sizes)
        ]
        results = []
        for row, sample in enumerate(batched_inputs):
            arrived = [frames[each] for each in reference_rows[row]]
            recalled = self.reference_memory.recall(
                frames[row],
                video_id=sample.get("video_id"),
                frame_index=sample.get("frame_index"),
                arrived=arrived if "reference_images" in sample else None,
            )
            results += self._detect(frames[row], recalled)
        self.reference_memory.keep_only(
            {each["video_id"] for each in batched_inputs if "video_id" in each}
        )
        if do_postprocess:
            return self._postprocess(results, batched_inputs, [each.image_size for each in frames])
        return results

    def _detect(self, key: FeatureMaps, references: Sequence[FeatureMaps]) -> list[Instances]:
        maps = _batch(references)
        encoded = self._encode(maps, self._propose(references, maps))
        return self.roi_heads(
            None,
            key.features,
            self._propose([key], key.features),
            keys=[EncodedFrame()],
            references=[References.cat([each.reference for each in encoded])],
        )[0]

    def _propose(
        self, frames: Sequence[FeatureMaps], features: dict[str, torch.Tensor]
    ) -> list[Instances]:
        images = ImageList(next(iter(features.values())), [each.image_size for each in frames])
        return self.proposal_generator(images, features)[0]


def _batch(frames: Sequence[FeatureMaps]) -> dict[str, torch.Tensor]:
    return {
        name: torch.cat([each.features[name] for each in frames]) for name in frames[0].features
    }
