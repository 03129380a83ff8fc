"""Boxes that keep their floating-point type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from detectron2.structures import Boxes


class PreciseBoxes(Boxes):
    """``Boxes`` that stay float64 where the model is float64.

    Detectron2's ``Boxes`` turns everything into float32. That rounds coordinates by up to 3e-5
    pixels, enough to change which cells Temporal RoI Align finds most similar, so a float64 model
    would not be comparable with anything. With a float32 model the two classes are the same.

    Attributes:
        tensor: (N, 4) float, ``x1, y1, x2, y2``.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__(tensor)
        if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64:
            self.tensor = tensor.reshape(-1, 4)

    def clone(self) -> PreciseBoxes:
        return PreciseBoxes(self.tensor.clone())

    def to(self, device: torch.device) -> PreciseBoxes:
        return PreciseBoxes(self.tensor.to(device=device))

    def __getitem__(self, item: int | slice | torch.Tensor) -> PreciseBoxes:
        return PreciseBoxes(self.tensor[item].reshape(-1, 4))

    @classmethod
    def cat(cls, boxes_list: Sequence[Boxes]) -> PreciseBoxes:
        tensors = [boxes.tensor for boxes in boxes_list]
        return cls(torch.cat(tensors) if tensors else torch.empty(0, 4))

    def __iter__(self) -> Iterator[torch.Tensor]:
        yield from self.tensor
