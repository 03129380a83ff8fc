"""Box head of fully connected layers with SELSA between them (arXiv 1907.06390, Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_BOX_HEAD_REGISTRY, FastRCNNConvFCHead
from torch import nn

from ..layers import SelsaAggregator


@ROI_BOX_HEAD_REGISTRY.register()
class SelsaBoxHead(FastRCNNConvFCHead):
    """``FastRCNNConvFCHead`` that aggregates reference RoIs after every FC, before its ReLU.

    R key RoIs, M reference RoIs, P pooler size, D FC width. Key and reference RoIs go through the
    same layers; reference RoIs are never aggregated themselves, so they can be encoded apart.
    """

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
        return {**super().from_config(cfg, input_shape), "num_heads": cfg.MODEL.VID.SELSA.NUM_HEADS}

    def encode_references(
        self, roi_features: torch.Tensor
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The reference side, independent of any key frame.

        Args:
            roi_features: (M, C, P, P), plain RoIAlign.

        Returns:
            attention keys and values, (M, D) each, of every stage.
        """
        return self.project(self.embed(roi_features))

    def forward(
        self,
        roi_features: torch.Tensor,
        reference_stages: Iterable[tuple[torch.Tensor, torch.Tensor]],
    ) -> torch.Tensor:
        """
        Args:
            roi_features: (R, C, P, P) of one key frame.
            reference_stages: of its references, from :meth:`encode_references`.

        Returns:
            (R, D).
        """
        return self.aggregate(self.embed(roi_features), reference_stages)

    def embed(self, roi_features: torch.Tensor) -> torch.Tensor:
        """The first FC, which key and reference RoIs have in common: (N, C, P, P) -> (N, D)."""
        for conv in self.conv_norm_relus:
            roi_features = conv(roi_features)
        return self.fcs[0](roi_features.flatten(1))

    def project(self, embedded: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """:meth:`encode_references` of RoIs (M, D) that went through :meth:`embed`."""
        stages = [self.aggregators[0].project(embedded)]
        for fc, aggregator in zip(self.fcs[1:], self.aggregators[1:], strict=True):
            embedded = fc(embedded.relu())
            stages.append(aggregator.project(embedded))
        return stages

    def aggregate(
        self,
        embedded: torch.Tensor,
        reference_stages: Iterable[tuple[torch.Tensor, torch.Tensor]],
    ) -> torch.Tensor:
        """:meth:`forward` of RoIs (R, D) that went through :meth:`embed`."""
        key = embedded
        stages = iter(reference_stages)  # nothing keeps a stage while the next one is joined
        for number, aggregator in enumerate(self.aggregators):
            if number:
                key = self.fcs[number](key)
            key = (key + aggregator(key, *next(stages))).relu()
        return key
