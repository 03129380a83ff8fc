"""SELSA, sequence-level semantics aggregation (arXiv 1907.06390, Sec. 3.2-3.3).

Every proposal of the key frame gathers from the proposals of the reference frames what is
semantically similar: multi-head attention whose keys and values are the reference proposals.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class SelsaAggregator(nn.Module):
    """What the reference proposals add to the features of the key proposals (Eq. 3-4).

    R key RoIs, M reference RoIs of all reference frames, D channels. The reference side does not
    depend on the key frame, so :meth:`project` can be called once per reference frame and kept.
    """

    def __init__(self, *, channels: int, num_heads: int) -> None:
        """
        Args:
            channels: D.
            num_heads: number of attention heads ("attention blocks"); must divide D.

        Raises:
            ValueError: if it does not.
        """
        super().__init__()
        if channels % num_heads:
            raise ValueError(f"SELSA needs channels ({channels}) divisible by heads ({num_heads})")
        self.num_heads = num_heads
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)

    def project(self, reference_features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention keys and values, each (M, D), of reference features (M, D)."""
        return self.key(reference_features), self.value(reference_features)

    def forward(
        self, features: torch.Tensor, reference_keys: torch.Tensor, reference_values: torch.Tensor
    ) -> torch.Tensor:
        """
        Args:
            features: (R, D) of the key RoIs, before their ReLU.
            reference_keys, reference_values: (M, D) from :meth:`project`.

        Returns:
            (R, D), to be added to ``features``. No reference RoI (M = 0) contributes nothing to
            the attention, as an empty sum does.
        """
        query = self.query(features)
        if len(reference_keys) == 0:  # keep every parameter in the graph
            attended = query * 0 + reference_keys.sum() + reference_values.sum()
        else:
            attended = self._attend(query, reference_keys, reference_values)
        return self.output(attended)

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        # similarity and softmax stay in float32 under autocast
        with torch.autocast(query.device.type, enabled=False):
            heads = [self._heads(x) for x in (query, key, value)]
            attended = F.scaled_dot_product_attention(*heads)
        return attended[0].transpose(0, 1).flatten(1).to(query.dtype)

    def _heads(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (1, heads, N, D / heads), at least float32."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        return x.unflatten(1, (self.num_heads, -1)).transpose(0, 1)[None]
