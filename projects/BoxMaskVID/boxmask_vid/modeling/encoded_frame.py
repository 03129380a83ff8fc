"""A frame that went through the network up to where key and references meet."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from .layers import FrameCells
from .reference_memory import References


@dataclass
class EncodedFrame:
    """What a frame gives as a reference, and what it can share with itself as a key frame.

    M proposals, C channels, P pooler size, D FC width.

    Attributes:
        reference: the part to be remembered.
        cells: of the whole map, with those that pad a batch; None without Temporal RoI Align.
        pooled: (M, C, P, P) plain RoIAlign; None unless the box head uses references.
        embedded: (M, D) after the first FC; None as well.
    """

    reference: References = field(default_factory=References)
    cells: FrameCells | None = None
    pooled: torch.Tensor | None = None
    embedded: torch.Tensor | None = None
