"""Reference frames that are encoded once, when they are read.

Saves most of the 4 s between a SELSA frame and the papers' formulation (docs/SPEED.md): RPN,
RoIAlign and FCs of 14 references.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import ImageList, Instances

from ..encoded_frame import EncodedFrame, References
from ..reference_encoder import ReferenceEncoder


class ReferenceEncoderFast(ReferenceEncoder):
    """Keeps encoded frames; a key frame shares its proposals and RoI features with itself."""

    def parts(self, rows: range) -> list[range]:
        step = self.references_at_once
        return [rows[start : start + step] for start in range(0, len(rows), step)]

    def keep(
        self, model: GeneralizedRCNN, images: ImageList, features: dict[str, torch.Tensor]
    ) -> list[References]:
        proposals, _ = model.proposal_generator(images, features)
        return [frame.reference for frame in model.roi_heads.encode(features, proposals)]

    def encode_keys(
        self,
        model: GeneralizedRCNN,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
    ) -> tuple[list[EncodedFrame], list[References]]:
        encoded = model.roi_heads.encode(features, proposals)
        return encoded, [frame.reference for frame in encoded]

    def join(self, model: GeneralizedRCNN, frames: Sequence[Any]) -> References:
        return References.cat(frames)
