"""Reference frames of a video that is read as it comes, with a memory of fixed size."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

Frame = TypeVar("Frame")


class OnlineReferences:
    """References from the past, and from as much of the future as the reader waits for.

    Policies, as in ``MODEL.VID.TEST.ONLINE.MEMORY``, which say what is kept of the past:

    - ``reservoir``: a uniform sample of all frames so far (Vitter 1985, algorithm R), which is to
      the past what "adaptive" is to a whole video. The draws are the same for every video.
    - ``sliding``: the newest frames, every STRIDE-th one; forgets what is long gone.
    """

    POLICIES = ("reservoir", "sliding")

    def __init__(self, policy: str, *, capacity: int, stride: int = 1) -> None:
        """
        Args:
            policy: see the class.
            capacity: frames of the past that are kept at most.
            stride: of a sliding memory, in frames.

        Raises:
            ValueError: if the policy is none of those there are.
        """
        if policy not in self.POLICIES:
            raise ValueError(
                f"MODEL.VID.TEST.ONLINE.MEMORY is '{policy}', must be one of "
                f"{', '.join(self.POLICIES)}."
            )
        self._policy = policy
        self._capacity = capacity
        self._stride = stride
        self._past: deque[Frame] = deque(maxlen=capacity)
        self._future: deque[Frame] = deque()
        self._seen = 0
        self._random = random.Random(0)

    def step(self, key: Frame, arrived: Sequence[Frame]) -> list[Frame]:
        """Go on to the next frame.

        Args:
            key: the frame, encoded as a reference; it becomes part of the past.
            arrived: future frames that were not known before, in order.

        Returns:
            the references of the frame, without itself.
        """
        if self._future:
            self._future.popleft()  # it is the key frame now
        self._future.extend(arrived)
        references = [*self._past, *self._future]
        self._remember(key)
        return references

    def replace(self, frames: Sequence[Frame]) -> None:
        """Put others in the place of what is kept.

        Args:
            frames: as many as the object has when iterated, in that order.
        """
        count = len(self._past)
        self._past = deque(frames[:count], maxlen=self._capacity)
        self._future = deque(frames[count:])

    def __len__(self) -> int:
        return len(self._past) + len(self._future)

    def __iter__(self) -> Iterator[Frame]:
        yield from self._past
        yield from self._future

    def _remember(self, key: Frame) -> None:
        number, self._seen = self._seen, self._seen + 1
        if self._policy == "sliding":
            if number % self._stride == 0:
                self._past.append(key)
        elif number < self._capacity:
            self._past.append(key)
        else:
            slot = self._random.randrange(number + 1)
            if slot < self._capacity:
                self._past[slot] = key
