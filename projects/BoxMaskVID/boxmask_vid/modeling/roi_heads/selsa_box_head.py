"""Box head of fully connected layers with SELSA between them (arXiv 1907.06390, Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_BOX_HEAD_REGISTRY, FastRCNNConvFCHead
from torch import nn

from ...references import check_count
from ..layers import SelsaAggregator
from .reference_box_head import ReferenceBoxHead


@ROI_BOX_HEAD_REGISTRY.register()
class SelsaBoxHead(FastRCNNConvFCHead, ReferenceBoxHead):
    """``FastRCNNConvFCHead`` that aggregates reference RoIs after every FC, before its ReLU.

    R key RoIs, M reference RoIs, P pooler size, D FC width. Key and reference RoIs go through the
    same layers; reference RoIs are never aggregated themselves.
    """

    fcs: Sequence[nn.Linear]
    conv_norm_relus: Sequence[nn.Module]
    aggregators: Any  # nn.ModuleList of SelsaAggregator

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, num_heads: int, **kwargs) -> None:
        """
        Args:
            num_heads: attention heads of every stage.
            kwargs: see ``FastRCNNConvFCHead``.
        """
        super().__init__(input_shape, **kwargs)
        for fc in self.fcs:
            nn.init.xavier_uniform_(fc.weight)
        self.aggregators = nn.ModuleList(
            SelsaAggregator(channels=fc.out_features, num_heads=num_heads) for fc in self.fcs
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        heads, width = cfg.MODEL.VID.SELSA.NUM_HEADS, cfg.MODEL.ROI_BOX_HEAD.FC_DIM
        check_count("MODEL.VID.SELSA.NUM_HEADS", heads, least=1, divides=width)
        return {**super().from_config(cfg, input_shape), "num_heads": heads}

    def forward(
        self, roi_features: torch.Tensor, references: Iterable[tuple[torch.Tensor, ...]]
    ) -> torch.Tensor:
        """Box features (R, D) of key RoIs (R, C, P, P) and the stages of their references."""
        return self.aggregate(self.embed(roi_features), references)

    def embed(self, roi_features: torch.Tensor) -> torch.Tensor:
        """The first FC: (N, C, P, P) -> (N, D)."""
        for conv in self.conv_norm_relus:
            roi_features = conv(roi_features)
        return self.fcs[0](roi_features.flatten(1))

    def project(self, embedded: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        """Attention keys and values, (M, D) each, of every stage, for RoIs (M, D)."""
        stages: list[tuple[torch.Tensor, ...]] = [self.aggregators[0].project(embedded)]
        for fc, aggregator in zip(self.fcs[1:], self.aggregators[1:], strict=True):
            embedded = fc(embedded.relu())
            stages.append(aggregator.project(embedded))
        return stages

    def aggregate(
        self, embedded: torch.Tensor, references: Iterable[tuple[torch.Tensor, ...]]
    ) -> torch.Tensor:
        """Add to the RoIs (R, D) of every stage what they attend to (Eq. 3-4)."""
        key = embedded
        stages = iter(references)  # nothing keeps a stage while the next one is joined
        for number, aggregator in enumerate(self.aggregators):
            if number:
                key = self.fcs[number](key)
            key = (key + aggregator(key, *next(stages))).relu()
        return key
