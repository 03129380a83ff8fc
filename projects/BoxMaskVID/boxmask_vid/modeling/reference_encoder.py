"""Reference frames at test: the form in which they are kept, and in which the heads take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import ImageList, Instances
from torch import nn

from .encoded_frame import EncodedFrame, References, WithProjections


@dataclass
class FrameMaps(WithProjections):
    """A frame kept as its feature maps, of which there are no projections.

    Attributes:
        features: maps (1, C, h, w).
        image_size: height and width of the image, in pixels.
    """

    features: dict[str, torch.Tensor]
    image_size: tuple[int, int]

    def to(self, dtype: torch.dtype) -> FrameMaps:
        return self

    def without_projections(self) -> FrameMaps:
        return self

    @property
    def nbytes(self) -> int:
        return sum(maps.nbytes for maps in self.features.values())

    @property
    def shape(self) -> list[torch.Size]:
        """Of the maps."""
        return [maps.shape for maps in self.features.values()]


class ReferenceEncoder(nn.Module):
    """Keeps feature maps, and encodes the references again for every key frame.

    That is how the reference implementation does it: one pass of the backbone over all frames that
    are read, and proposals and RoI features of all references at every key frame.
    """

    def __init__(self, references_at_once: int) -> None:
        """
        Args:
            references_at_once: frames in one pass of the backbone, if they are taken apart; 0 for
                as many as fit into the memory of a GPU, and 1 on a CPU.
        """
        super().__init__()
        self.references_at_once = references_at_once

    def read(
        self,
        rows: range,
        encode: Callable[[range], Sequence[WithProjections]],
        device: torch.device,
    ) -> list[WithProjections]:
        """Reference frames in the form in which they are kept.

        Args:
            rows: of the frames.
            encode: puts some of them through the backbone together.
            device: of the model.
        """
        del device
        return list(encode(rows)) if rows else []

    def keep(
        self, model: GeneralizedRCNN, images: ImageList, features: dict[str, torch.Tensor]
    ) -> Sequence[WithProjections]:
        """Reference frames in the form in which they are kept."""
        return [
            FrameMaps({name: maps[row : row + 1] for name, maps in features.items()}, size)
            for row, size in enumerate(images.image_sizes)
        ]

    def encode_keys(
        self,
        model: GeneralizedRCNN,
        images: ImageList,
        features: dict[str, torch.Tensor],
        proposals: list[Instances],
    ) -> tuple[list[EncodedFrame], Sequence[WithProjections]]:
        """Key frames as the RoI heads take them, and as references in the form of :meth:`keep`."""
        encoded = model.roi_heads.encode(features, [None] * len(proposals))
        return encoded, self.keep(model, images, features)

    def join(self, model: GeneralizedRCNN, frames: Sequence[Any]) -> References:
        """All references of a key frame, kept as :meth:`keep` does, as the RoI heads take them."""
        encoded: list[EncodedFrame] = []
        for _, group in groupby(frames, key=lambda frame: frame.shape):
            batch = list(group)
            features = {
                name: torch.cat([frame.features[name] for frame in batch])
                for name in batch[0].features
            }
            images = ImageList(next(iter(features.values())), [f.image_size for f in batch])
            proposals, _ = model.proposal_generator(images, features)
            encoded += model.roi_heads.encode(features, proposals)
        return References.cat([frame.reference for frame in encoded])
