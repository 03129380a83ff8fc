"""SELSA, sequence-level semantics aggregation (arXiv 1907.06390, Sec. 3.2-3.3).

Every proposal of the key frame gathers from the proposals of the reference frames what is
semantically similar: multi-head attention whose keys and values are the reference proposals.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from ...precision import at_least_float32, without_autocast


class SelsaAggregator(nn.Module):
    """Features that reference proposals add to those of the key proposals (Eq. 3-4).

    R key RoIs, M reference RoIs of all reference frames, D channels. The reference side does not
    depend on the key frame, so :meth:`project` can be called once per reference frame and kept.
    """

    def __init__(self, *, channels: int, num_heads: int) -> None:
        """
        Args:
            channels: D.
            num_heads: number of attention heads ("attention blocks"); must divide D.

        Raises:
            ValueError: if it does not, or is none.
        """
        super().__init__()
        if num_heads < 1 or channels % num_heads:
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
        with without_autocast(query):
            attended = F.scaled_dot_product_attention(
                self._heads(query), self._heads(key), self._heads(value)
            )
        return attended[0].transpose(0, 1).flatten(1).to(query.dtype)

    def _heads(self, features: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (1, heads, N, D / heads)."""
        heads = at_least_float32(features).unflatten(1, (self.num_heads, -1))
        return heads.transpose(0, 1)[None]
