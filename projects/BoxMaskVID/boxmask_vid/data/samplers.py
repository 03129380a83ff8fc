"""Samplers: the order in which frames are read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice

import numpy as np
from detectron2.utils import comm
from torch.utils.data import Sampler


class VideoInferenceSampler(Sampler):
    """Assigns whole videos to ranks, frames in order, ranks balanced by number of frames.

    Detectron2's ``InferenceSampler`` cuts a video between ranks, and its second half would have no
    references.
    """

    def __init__(
        self,
        videos: Sequence[Hashable | None],
        rank: int | None = None,
        num_ranks: int | None = None,
        finished: Sequence[bool] | None = None,
    ) -> None:
        """
        Args:
            videos: the video of each frame of the data set; None for a still image.
            rank, num_ranks: default to those of this process.
            finished: whether each frame is finished; a video is left out if all of its frames are.
        """
        rank = comm.get_rank() if rank is None else rank
        num_ranks = comm.get_world_size() if num_ranks is None else num_ranks
        frames = defaultdict(list)
        for index, video in enumerate(videos):
            frames[("still", index) if video is None else ("video", video)].append(index)
        unfinished = [
            rows
            for rows in frames.values()
            if finished is None or not all(finished[row] for row in rows)
        ]
        loads = [[0, number] for number in range(num_ranks)]
        mine = []
        # longest video first, each to the rank with the fewest frames
        for indices in sorted(unfinished, key=len, reverse=True):
            least = min(loads)
            least[0] += len(indices)
            if least[1] == rank:
                mine.append(indices)
        self._indices = [index for indices in sorted(mine) for index in indices]

    def __iter__(self) -> Iterator[int]:
        yield from self._indices

    def __len__(self) -> int:
        return len(self._indices)


class ResumableSampler(Sampler):
    """Endless training sampler that can start in the middle; items of a batch have one shape.

    It yields position and item in one number, so that all randomness of a sample can be derived
    from its position: a resumed training sees the same samples as an uninterrupted one.
    ``first_batch`` is the number of batches to skip, set before the first use.
    """

    def __init__(
        self,
        sampler: Sampler,
        size: int,
        *,
        batch_size: int,
        groups: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            sampler: endless sampler of Detectron2 that yields the items of this rank.
            size: number of items of the data set.
            batch_size: batch size of this rank.
            groups: (size,) items of a batch have equal values; None for no grouping.
        """
        self._sampler = sampler
        self._size = size
        self._batch_size = batch_size
        self._groups = groups
        self._rank, self._num_ranks = comm.get_rank(), comm.get_world_size()
        self.first_batch = 0

    def __iter__(self) -> Iterator[int]:
        for batch in islice(self._batches(), self.first_batch, None):
            yield from batch

    def _batches(self) -> Iterator[list[int]]:
        waiting: dict[int, list[int]] = defaultdict(list)
        for position, item in enumerate(self._sampler):
            batch = waiting[0 if self._groups is None else self._groups[item]]
            global_position = position * self._num_ranks + self._rank
            batch.append(global_position * self._size + item)
            if len(batch) == self._batch_size:
                yield batch.copy()
                batch.clear()
