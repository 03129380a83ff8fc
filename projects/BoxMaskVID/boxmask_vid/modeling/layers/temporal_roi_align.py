"""Temporal RoI Align (arXiv 2109.03495, Sec. 3).

Every cell of a key RoI is enriched with the most similar cells of the reference frames' feature
maps. No boxes are needed in the reference frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from torch import nn


class TemporalROIAlign(nn.Module):
    """Most similar RoI Align (Sec. 3.2) and temporal attentional feature aggregation (Sec. 3.3).

    R key RoIs, C channels, P pooler size, T reference frames of h_t x w_t cells.
    """

    def __init__(self, *, channels: int, num_most_similar: int, num_heads: int) -> None:
        """
        Args:
            channels: C.
            num_most_similar: K, cells taken from each reference frame for each RoI cell.
            num_heads: heads ("attention blocks") of the temporal attention; 0 for a plain mean.

        Raises:
            ValueError: if ``num_heads`` does not divide C.
        """
        super().__init__()
        if num_heads and channels % num_heads:
            raise ValueError(f"TROI needs channels ({channels}) divisible by heads ({num_heads})")
        self.num_most_similar = num_most_similar
        self.num_heads = num_heads
        if num_heads:
            self.embed = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
            weight_init.c2_msra_fill(self.embed)

    def forward(
        self, roi_features: torch.Tensor, reference_maps: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """
        Args:
            roi_features: (R, C, P, P), RoIAlign of the key frame.
            reference_maps: T maps (C, h_t, w_t) without cells that only pad a batch.

        Returns:
            (R, C, P, P).
        """
        similar = [self.most_similar(roi_features, each) for each in reference_maps]
        return self.aggregate(torch.stack([roi_features, *similar]))

    def most_similar(self, roi_features: torch.Tensor, reference_map: torch.Tensor) -> torch.Tensor:
        """Most similar RoI Align of one reference frame (Eq. 1-3).

        Cosine similarity between RoI cells and reference cells; the features of the K best are
        averaged with the softmax of their cosines as weights. An all-zero cell is similar to
        nothing (cosine 0).

        Args:
            roi_features: (R, C, P, P).
            reference_map: (C, h, w).

        Returns:
            (R, C, P, P).
        """
        cells = roi_features.permute(0, 2, 3, 1).flatten(0, 2)  # (R * P * P, C)
        positions = reference_map.flatten(1)  # (C, h * w)
        with torch.autocast(cells.device.type, enabled=False):
            precise = torch.promote_types(cells.dtype, torch.float32)
            cosine = F.normalize(cells.to(precise), dim=1) @ F.normalize(
                positions.to(precise), dim=0
            )
            best, index = cosine.topk(min(self.num_most_similar, positions.shape[1]), dim=1)
            weight = best.softmax(dim=1)
        nearest = positions.t()[index]  # (R * P * P, K, C)
        mixed = (nearest * weight.to(nearest.dtype)[:, :, None]).sum(dim=1)
        rois, channels, height, width = roi_features.shape
        return mixed.view(rois, height, width, channels).permute(0, 3, 1, 2)

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
