"""References spread evenly over the whole video (``test_with_adaptive_stride`` of mmtracking)."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.config import CfgNode

from .policy import REFERENCE_POLICY_REGISTRY, Frame, ReferencePolicy, check_count


@REFERENCE_POLICY_REGISTRY.register()
def adaptive(cfg: CfgNode) -> AdaptiveReferences:
    """The policy with the options of ``MODEL.VID.TEST``."""
    count = cfg.MODEL.VID.TEST.NUM_REFERENCES
    return AdaptiveReferences(check_count("MODEL.VID.TEST.NUM_REFERENCES", count))


class AdaptiveReferences(ReferencePolicy[Frame]):
    """The references of the first frame serve the whole video; the key frame is the last one."""

    needs_every_frame = False

    def __init__(self, num_references: int) -> None:
        """
        Args:
            num_references: frames of the whole video.
        """
        self.num_references = num_references
        self._frames: list[Frame] = []

    def frames_to_load(self, frame_index: int, length: int, *, is_first: bool) -> list[int] | None:
        return evenly_spread(length, self.num_references) if is_first else None

    def references_for(self, key: Frame, new: Sequence[Frame] | None) -> list[Frame]:
        if new is not None:
            self._frames = list(new)
        return [*self._frames, key]

    @property
    def kept(self) -> list[Frame]:
        return self._frames

    @kept.setter
    def kept(self, frames: Sequence[Frame]) -> None:
        self._frames = list(frames)


def evenly_spread(length: int, count: int) -> list[int]:
    """Frame numbers 0 .. length - 1, the first and the last included.

    Returns:
        ``count`` frame numbers; some repeat if the video is shorter than that. A single one is the
        middle frame.
    """
    if count == 1:
        return [(length - 1) // 2]
    if count == 0:
        return []
    stride = (length - 1) / (count - 1)
    return [round(index * stride) for index in range(count)]
