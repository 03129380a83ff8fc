"""Difference between exported graphs and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import torch
from detectron2.structures import Instances

from .formats import Function


@dataclass(frozen=True)
class Case:
    """A key frame, its references, and what the model detects in it."""

    image: torch.Tensor  # (3, H, W) uint8
    references: Sequence[torch.Tensor]  # any number of reference frames, each (3, H, W) uint8
    found: Instances  # detections of the model; boxes in pixels of the image


@dataclass(frozen=True)
class Difference:
    """Largest differences of boxes, in pixels, and of scores."""

    pixels: float
    score: float


def difference(functions: dict[str, Function], case: Case) -> Difference:
    """Difference between graphs, given by their names, and the model in a case."""
    memory: list[torch.Tensor] = []
    if "encode" in functions:
        # without references: tensors of no rows
        images = case.references or [case.image]
        frames = [functions["encode"]([image]) for image in images]
        parts = zip(*frames, strict=True)
        memory = [torch.cat(part) if case.references else part[0][:0] for part in parts]
    boxes, scores, classes = functions["detect"]([case.image, *memory])[:3]
    return compare(case.found, boxes, scores, classes)


def compare(
    found: Instances, boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor
) -> Difference:
    """Difference between detections, whatever their order, as almost equal scores may swap.

    Args:
        found: N detections of the model.
        boxes: (N, 4) of the graph, in pixels.
        scores: (N,) of the graph.
        classes: (N,) of the graph.

    Returns:
        the largest differences; infinite if these are not the same detections.
    """
    if len(found) != len(scores):
        return Difference(inf, inf)
    if not len(found):
        return Difference(0.0, 0.0)
    distance = torch.cdist(found.pred_boxes.tensor, boxes, p=inf)
    distance[found.pred_classes[:, None] != classes] = inf
    pixels, other = distance.min(dim=1)
    if len(other.unique()) < len(other):
        return Difference(inf, inf)
    score = (found.scores - scores[other]).abs()
    return Difference(pixels.max().item(), score.max().item())
