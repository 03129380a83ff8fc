"""Index of the frames of all videos."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch


class VideoIndex:
    """File names of all frames of all videos, key frames and others.

    The names are stored in two tensors, which data-loader workers share instead of copying them,
    whichever way they are started.
    """

    def __init__(self, videos: Mapping[Hashable, Sequence[str]]) -> None:
        """
        Args:
            videos: file names of each video, frame 0 first.
        """
        encoded = [name.encode() for names in videos.values() for name in names]
        self._names = torch.from_numpy(np.frombuffer(b"".join(encoded), np.uint8).copy())
        self._ends = torch.tensor([0, *map(len, encoded)], dtype=torch.int64).cumsum(0)
        self._spans = {}
        start = 0
        for video, names in videos.items():
            self._spans[video] = (start, len(names))
            start += len(names)

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
