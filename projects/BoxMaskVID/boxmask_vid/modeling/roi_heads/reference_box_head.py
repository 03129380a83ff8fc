"""Base class of the box heads that look at reference frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import nn


class ReferenceBoxHead(nn.Module, ABC):
    """Box head that compares key RoIs with reference RoIs.

    R key RoIs, M RoIs of all reference frames, D features. Key and reference RoIs go through
    :meth:`embed`; what :meth:`project` makes of reference RoIs is kept, in the stages and parts
    that :meth:`aggregate` takes it in: tensors whose first axis are the M RoIs.

    A box head that derives from it is registered in ROI_BOX_HEAD_REGISTRY and chosen by
    ``MODEL.ROI_BOX_HEAD.NAME``; it also has an ``output_shape``, as all box heads have.
    """

    @abstractmethod
    def embed(self, roi_features: torch.Tensor) -> torch.Tensor:
        """Features (N, D) that key and reference RoIs (N, C, P, P) have in common."""

    @abstractmethod
    def project(self, embedded: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        """Stages of the reference side, of embedded reference RoIs (M, D)."""

    @abstractmethod
    def aggregate(
        self, embedded: torch.Tensor, references: Iterable[tuple[torch.Tensor, ...]]
    ) -> torch.Tensor:
        """Box features (R, D) of embedded key RoIs (R, D) and the stages of their references.

        With no reference RoI (M = 0) every parameter stays in the graph, for DDP.
        """
