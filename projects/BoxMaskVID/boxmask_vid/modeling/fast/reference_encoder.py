"""Reference frames that are encoded once, when they are read.

Saves most of the 4 s between a SELSA frame and the papers' formulation (docs/SPEED.md): RPN,
RoIAlign and FCs of 14 references.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import ImageList, Instances

from ..encoded_frame import EncodedFrame, References, WithProjections
from ..reference_encoder import ReferenceEncoder

logger = logging.getLogger(__name__)


class ReferenceEncoderFast(ReferenceEncoder):
    """Keeps encoded frames; a key frame shares its proposals and RoI features with itself."""

    _fit: int | None = None  # frames together, once some did not fit

    def read(
        self,
        rows: range,
        encode: Callable[[range], Sequence[WithProjections]],
        device: torch.device,
    ) -> list[WithProjections]:
        """Some at a time: half as many from where they do not fit into the memory of a GPU.

        Raises:
            OutOfMemoryError: if a single frame, or the given number of them, does not fit.
        """
        frames: list[WithProjections] = []
        while rows:
            limit = 1 if device.type == "cpu" else self._fit or len(rows)
            step = self.references_at_once or min(limit, len(rows))
            try:
                frames += encode(rows[:step])
            except torch.OutOfMemoryError:
                if self.references_at_once or step == 1:
                    raise
                self._fit = step // 2
                logger.info(f"{step} reference frames at once do not fit: {self._fit} at once.")
            else:
                rows = rows[step:]
        return frames

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
