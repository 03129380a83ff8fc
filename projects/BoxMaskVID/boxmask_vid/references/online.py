"""References from what has been visited, for videos that are read as they come."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

from detectron2.config import CfgNode

from ..errors import InputError
from .policy import REFERENCE_POLICY_REGISTRY, Frame, ReferencePolicy, check_count

PAST_POLICIES = ("reservoir", "sliding")


@REFERENCE_POLICY_REGISTRY.register()
def online(cfg: CfgNode) -> OnlineReferences:
    """The policy with the options of ``MODEL.VID.TEST``."""
    test = cfg.MODEL.VID.TEST
    return OnlineReferences(
        test.ONLINE.POLICY,
        num_references=check_count("MODEL.VID.TEST.NUM_REFERENCES", test.NUM_REFERENCES),
        stride=check_count("MODEL.VID.TEST.STRIDE", test.STRIDE, least=1),
        lookahead=check_count("MODEL.VID.TEST.ONLINE.LOOKAHEAD", test.ONLINE.LOOKAHEAD),
    )


class OnlineReferences(ReferencePolicy[Frame]):
    """Frames of the past, and of as much of the future as the reader waits for.

    Frames of the past that are kept, as in ``MODEL.VID.TEST.ONLINE.POLICY``:

    - ``reservoir``: a uniform sample of all frames so far (Vitter 1985, algorithm R), which is to
      the past what "adaptive" is to a whole video. The draws are the same for every video.
    - ``sliding``: the newest frames, every ``stride``-th one.

    The key frame is the last reference.
    """

    needs_whole_video = False

    def __init__(
        self, past_policy: str, *, num_references: int, stride: int = 1, lookahead: int = 0
    ) -> None:
        """
        Args:
            past_policy: see the class.
            num_references: frames of the past that are kept at most.
            stride: of "sliding", in frames.
            lookahead: frames of the future that are known.

        Raises:
            InputError: if the policy of the past is not one of the two.
        """
        if past_policy not in PAST_POLICIES:
            raise InputError(
                f"MODEL.VID.TEST.ONLINE.POLICY is '{past_policy}': choose one of "
                f"{', '.join(PAST_POLICIES)}."
            )
        self.lookahead = lookahead
        self._slides = past_policy == "sliding"
        self._stride = stride
        self._capacity = num_references
        self._past: deque[Frame] = deque(maxlen=num_references)
        self._future: deque[Frame] = deque()
        self._visited = 0
        self._random = random.Random(0)

    def frames_to_load(self, frame_index: int, length: int, *, is_first: bool) -> list[int]:
        """The frames of the future that are new."""
        nearest = frame_index + (1 if is_first else max(self.lookahead, 1))
        return list(range(nearest, min(frame_index + self.lookahead, length - 1) + 1))

    def references_for(self, key: Frame, new: Sequence[Frame] | None) -> list[Frame]:
        if self._future:
            self._future.popleft()  # it is the key frame now
        self._future.extend(new or [])
        references = [*self._past, *self._future, key]
        self._keep(key)
        return references

    @property
    def kept(self) -> list[Frame]:
        return [*self._past, *self._future]

    @kept.setter
    def kept(self, frames: Sequence[Frame]) -> None:
        count = len(self._past)
        self._past = deque(frames[:count], maxlen=self._capacity)
        self._future = deque(frames[count:])

    def _keep(self, key: Frame) -> None:
        number, self._visited = self._visited, self._visited + 1
        if self._slides:
            if number % self._stride == 0:
                self._past.append(key)
        elif number < self._capacity:
            self._past.append(key)
        else:
            slot = self._random.randrange(number + 1)
            if slot < self._capacity:
                self._past[slot] = key
