"""Batches of frames at test that give the same detections as one frame at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from torch.utils.data import Sampler

Item = TypeVar("Item")


def in_batches(
    items: Iterable[Item], size: int, kind_of: Callable[[Item], Hashable]
) -> Iterator[list[Item]]:
    """Divide items into batches of one kind, in order.

    Args:
        items: what they are divided from; an error that it raises comes after all items before it.
        size: of a batch; one is smaller where the kind changes and at the end.
        kind_of: an item's kind.
    """
    batch: list[Item] = []
    try:
        for item in items:
            if batch and kind_of(item) != kind_of(batch[0]):
                complete, batch = batch, []
                yield complete
            batch.append(item)
            if len(batch) == size:
                complete, batch = batch, []
                yield complete
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class FrameBatchSampler(Sampler):
    """Batches of frames of one video and one size, which need no padding.

    Padding would change the features near it.
    """

    def __init__(self, sampler: Iterable[int], size: int, records: Sequence[dict]) -> None:
        """
        Args:
            sampler: indices of frames, those of a video in order.
            size: largest batch, in frames.
            records: the frames in Detectron2's format.
        """

        def kind_of(index: int) -> tuple:
            record = records[index]
            unknown = "frame", index
            video = record.get("dataset_name"), record.get("video_id")
            return *video, record.get("height", unknown), record.get("width", unknown)

        self._batches = list(in_batches(sampler, size, kind_of))

    def __iter__(self) -> Iterator[list[int]]:
        yield from self._batches

    def __len__(self) -> int:
        return len(self._batches)
