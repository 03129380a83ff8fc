"""How far what was exported is from the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Instances

from .formats import Function


@dataclass(frozen=True)
class Case:
    """A key frame, its references, and what the model finds in it.

    Attributes:
        image: (3, H, W) uint8.
        references: any number of the same.
        found: boxes in pixels of the image.
    """

    image: torch.Tensor
    references: Sequence[torch.Tensor]
    found: Instances


@dataclass(frozen=True)
class Difference:
    """The largest of boxes, in pixels, and of scores."""

    pixels: float
    score: float


def difference(functions: dict[str, Function], case: Case) -> Difference:
    """
    Args:
        functions: the exported graphs by their names.
        case: what they are compared on.
    """
    memory = []
    if "encode" in functions:
        # without references: tensors of no rows
        images = case.references or [case.image]
        frames = [functions["encode"]([image]) for image in images]
        parts = zip(*frames, strict=True)
        memory = [torch.cat(each) if case.references else each[0][:0] for each in parts]
    boxes, scores, classes = functions["detect"]([case.image, *memory])[:3]
    return compare(case.found, boxes, scores, classes)


def compare(
    found: Instances, boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor
) -> Difference:
    """Between detections, whatever their order: that of almost equal scores may differ.

    Args:
        found: N detections of the model.
        boxes, scores, classes: (N, 4), (N,), (N,) of the graph.

    Returns:
        both infinite if they are not the same detections.
    """
    if len(found) != len(scores):
        return Difference(float("inf"), float("inf"))
    if not len(found):
        return Difference(0.0, 0.0)
    distance = torch.cdist(found.pred_boxes.tensor, boxes, p=float("inf"))
    distance[found.pred_classes[:, None] != classes] = float("inf")
    pixels, other = distance.min(dim=1)
    if len(other.unique()) < len(other):
        return Difference(float("inf"), float("inf"))
    score = (found.scores - scores[other]).abs()
    return Difference(pixels.max().item(), score.max().item())
