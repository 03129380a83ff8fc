"""References in a window around the key frame (``test_with_fix_stride`` of mmtracking)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from detectron2.config import CfgNode

from .policy import REFERENCE_POLICY_REGISTRY, Frame, ReferencePolicy, check_count


@REFERENCE_POLICY_REGISTRY.register()
def fixed(cfg: CfgNode) -> FixedReferences:
    """The policy with the options of ``MODEL.VID.TEST``."""
    test = cfg.MODEL.VID.TEST
    count = check_count("MODEL.VID.TEST.NUM_REFERENCES", test.NUM_REFERENCES, even=True)
    return FixedReferences(count, check_count("MODEL.VID.TEST.STRIDE", test.STRIDE, least=1))


class FixedReferences(ReferencePolicy[Frame]):
    """A sliding window: new references push out the oldest, the key frame replaces the middle."""

    def __init__(self, num_references: int, stride: int) -> None:
        """
        Args:
            num_references: frames of the window besides the key frame; even.
            stride: distance of the references, in frames.
        """
        self.num_references = num_references
        self.stride = stride
        self._window: deque[Frame] = deque()

    def frames_to_load(self, frame_index: int, length: int, *, is_first: bool) -> list[int] | None:
        """The whole window of the first frame, later the frame that enters it, if one does.

        Frame 0 stands for what is before the start, the last frame for what is beyond the end.
        """
        half, last = self.num_references // 2, length - 1
        if is_first:
            window = range(-half, half + 1)
            return [min(max(place, 0) * self.stride, last) for place in window]
        if frame_index % self.stride:
            return None
        return [min(frame_index + half * self.stride, last)]

    def references_for(self, key: Frame, new: Sequence[Frame] | None) -> list[Frame]:
        if new is not None:
            if not self._window:
                self._window = deque(maxlen=len(new) or None)
            self._window.extend(new)
        frames = list(self._window)
        if frames:
            frames[len(frames) // 2] = key
        return frames or [key]

    @property
    def kept(self) -> list[Frame]:
        return list(self._window)

    @kept.setter
    def kept(self, frames: Sequence[Frame]) -> None:
        self._window = deque(frames, maxlen=self._window.maxlen)
