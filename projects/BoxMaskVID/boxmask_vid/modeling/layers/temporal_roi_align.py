"""Temporal RoI Align (arXiv 2109.03495, Sec. 3).

Every cell of a key RoI is enriched with the most similar cells of the reference frames' feature
maps. No boxes are needed in the reference frames.

R key RoIs, C channels, P pooler size, T reference frames of h_t x w_t cells, K cells of each.
"""

from __future__ import annotations

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from torch import nn

from ...precision import at_least_float32, without_autocast


class TemporalROIAlign(nn.Module):
    """Most similar RoI Align (Sec. 3.2) and temporal attentional feature aggregation (Sec. 3.3)."""

    def __init__(self, *, channels: int, num_most_similar: int, num_heads: int) -> None:
        """
        Args:
            channels: C.
            num_most_similar: K, cells taken from each reference frame for each RoI cell.
            num_heads: heads ("attention blocks") of the temporal attention; 0 for a plain mean.

        Raises:
            ValueError: if ``num_heads`` does not divide C, or no cells are taken.
        """
        super().__init__()
        if num_heads < 0 or (num_heads and channels % num_heads):
            raise ValueError(f"TROI needs channels ({channels}) divisible by heads ({num_heads})")
        if num_most_similar < 1:
            raise ValueError(f"TROI needs 1 or more most similar cells, not {num_most_similar}")
        self.num_most_similar = num_most_similar
        self.num_heads = num_heads
        if num_heads:
            self.embed = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
            weight_init.c2_msra_fill(self.embed)

    def encode(self, feature_maps: torch.Tensor) -> Sequence[torch.Tensor]:
        """Frames as :meth:`forward` takes them: (N, C, h, w) to N maps (C, h, w)."""
        return feature_maps.unbind()

    def forward(
        self,
        roi_features: torch.Tensor,
        boxes: torch.Tensor,
        key: torch.Tensor,
        references: Sequence[torch.Tensor],
    ) -> torch.Tensor:
        """
        Args:
            roi_features: (R, C, P, P), RoIAlign of the key frame.
            boxes, key: RoIs (R, 4) in pixels and the key frame, where they come from.
            references: maps (C, h_t, w_t) of T frames, without cells that only pad a batch.

        Returns:
            (R, C, P, P).
        """
        similar = [self.most_similar_roi_align(roi_features, frame) for frame in references]
        return self.aggregate(torch.stack([roi_features, *similar]))

    def most_similar_roi_align(
        self, roi_features: torch.Tensor, reference_map: torch.Tensor
    ) -> torch.Tensor:
        """RoI features (R, C, P, P) composed of a reference map (C, h, w) (Eq. 1-3)."""
        rois, channels, height, width = roi_features.shape
        cells = roi_features.permute(0, 2, 3, 1).reshape(-1, channels)
        with without_autocast(cells):
            positions = at_least_float32(reference_map.flatten(1))
            mixed = most_similar_cells(at_least_float32(cells), positions, self.num_most_similar)
        return mixed.to(cells.dtype).view(rois, height, width, channels).permute(0, 3, 1, 2)

    def aggregate(self, frames: torch.Tensor) -> torch.Tensor:
        """Attention over frames, for every cell and head (Eq. 4-6).

        Args:
            frames: (T + 1, R, C, P, P), the key frame first.

        Returns:
            (R, C, P, P), a convex combination of the frames.
        """
        if not self.num_heads:
            return frames.mean(dim=0)
        embedded = self.embed(frames.flatten(0, 1)).view_as(frames)
        with without_autocast(embedded):
            embedded = self._heads(at_least_float32(embedded))  # (T + 1, R, heads, C', P, P)
            score = (embedded * embedded[:1]).sum(dim=3, keepdim=True) / embedded.shape[3] ** 0.5
            attention = score.softmax(dim=0)
        return (self._heads(frames) * attention.to(frames.dtype)).sum(dim=0).flatten(1, 2)

    def _heads(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.unflatten(2, (self.num_heads, -1))


def most_similar_cells(cells: torch.Tensor, positions: torch.Tensor, count: int) -> torch.Tensor:
    """Mean of the K most similar positions, weighted with the softmax of the cosines (Eq. 1-3).

    Cells (N, C), positions (C, L) and K to (N, C). An all-zero cell has cosine 0 with all.
    """
    cosine = F.normalize(cells, dim=1) @ F.normalize(positions, dim=0)
    index = first_largest(cosine, min(count, cosine.shape[1]))
    # (N, K, C); threads add to the gradient of positions.t()[index] in any order
    nearest = F.embedding(index, positions.t())
    return (nearest * cosine.gather(1, index).softmax(dim=1)[:, :, None]).sum(dim=1)


def first_largest(values: torch.Tensor, count: int) -> torch.Tensor:
    """Positions (N, K) of the K largest of values (N, L); the first of equals, ``topk`` takes any.

    Cells where one channel alone is active have equal cosines, but not equal features.
    """
    found = [values.argmax(dim=1, keepdim=True)]
    for _ in range(count - 1):
        values = values.scatter(1, found[-1], float("-inf"))
        found.append(values.argmax(dim=1, keepdim=True))
    return torch.cat(found, dim=1)
