"""Index of the frames of all videos."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch


class VideoIndex:
    """File names of all frames of all videos, key frames and others.

    The names are stored in two tensors, which data-loader workers share instead of copying them,
    whichever way they are started.
    """

    def __init__(self, videos: dict[Hashable, Sequence[str]]) -> None:
        """
        Args:
            videos: file names of each video, frame 0 first.
        """
        encoded = [name.encode() for names in videos.values() for name in names]
        self._names = torch.from_numpy(np.frombuffer(b"".join(encoded), np.uint8).copy())
        ends = torch.tensor([0, *map(len, encoded)], dtype=torch.int64).cumsum(0)
        self._ends = ends
        self._spans = {}
        start = 0
        for video, names in videos.items():
            self._spans[video] = (start, len(names))
            start += len(names)

    @classmethod
    def merge(cls, indices: Sequence[VideoIndex]) -> VideoIndex:
        """Merge several indices, whose videos must differ, into one."""
        merged = cls({})
        if indices:
            merged._names = torch.cat([index._names for index in indices])
        ends, names_before, frames_before = [torch.zeros(1, dtype=torch.int64)], 0, 0
        for index in indices:
            for video, (start, length) in index._spans.items():
                assert video not in merged._spans, f"video {video!r} is in two indices"
                merged._spans[video] = (start + frames_before, length)
            ends.append(index._ends[1:] + names_before)
            names_before += len(index._names)
            frames_before += len(index._ends) - 1
        merged._ends = torch.cat(ends)
        return merged

    def __contains__(self, video: Hashable) -> bool:
        return video in self._spans

    def __len__(self) -> int:
        return len(self._spans)

    def length(self, video: Hashable) -> int:
        """Number of frames of a video."""
        return self._spans[video][1]

    def file_name(self, video: Hashable, frame_index: int) -> str:
        """File name of a frame.

        Raises:
            IndexError: if the video has no such frame.
        """
        start, length = self._spans[video]
        if not 0 <= frame_index < length:
            raise IndexError(f"video {video!r} has frames 0 to {length - 1}, not {frame_index}")
        first, last = self._ends[start + frame_index : start + frame_index + 2].tolist()
        return bytes(self._names[first:last].numpy()).decode()
