"""Tracks: detections of an object in the frames of a video get the same number."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from detectron2.structures import Boxes, Instances, pairwise_iou


@dataclass
class _Track:
    number: int
    category: int
    box: torch.Tensor  # (4,) where it was seen last
    frame: int


@dataclass(kw_only=True)
class TrackLinker:
    """Links each detection to the track of its class that it overlaps most, best pairs first.

    ``detectron2.tracking`` is not used: its trackers link detections of different classes, and
    return lost boxes as if they were detections.
    """

    min_iou: float = 0.3  # overlap with the last box of a track at which a detection belongs to it
    patience: int = 10  # frames after which a track that is not seen again has ended
    _tracks: list[_Track] = field(default_factory=list)
    _next_number: int = 0
    _frame: int = 0

    def link(self, instances: Instances) -> list[int]:
        """Link the detections of the next frame, which are on the CPU.

        Returns a number of a track for each, from 0; a number is never used again.
        """
        self._tracks = [
            track for track in self._tracks if self._frame - track.frame <= self.patience
        ]
        boxes = instances.pred_boxes.tensor.float()
        categories = instances.pred_classes.tolist()
        linked = self._matches(boxes, categories)
        for row, category in enumerate(categories):
            if row not in linked:
                linked[row] = _Track(self._next_number, category, boxes[row], self._frame)
                self._tracks.append(linked[row])
                self._next_number += 1
            linked[row].box, linked[row].frame = boxes[row], self._frame
        self._frame += 1
        return [linked[row].number for row in range(len(categories))]

    def _matches(self, boxes: torch.Tensor, categories: list[int]) -> dict[int, _Track]:
        """Tracks of the rows that have one; pairs that overlap most are linked first."""
        if not self._tracks or not categories:
            return {}
        last = Boxes(torch.stack([track.box for track in self._tracks]))
        overlap = pairwise_iou(Boxes(boxes), last)
        of_tracks = torch.tensor([track.category for track in self._tracks])
        overlap[torch.tensor(categories)[:, None] != of_tracks] = 0
        pairs = (overlap >= self.min_iou).nonzero()
        best_first = overlap[tuple(pairs.T)].argsort(descending=True, stable=True)
        linked: dict[int, _Track] = {}
        taken = set()
        for row, column in pairs[best_first].tolist():
            if row not in linked and column not in taken:
                linked[row] = self._tracks[column]
                taken.add(column)
        return linked
