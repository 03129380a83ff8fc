"""Memory of the reference frames of the videos that are being read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from detectron2.config import CfgNode

from ..errors import InputError
from ..precision import PRECISIONS
from ..references import ReferencePolicy, build_reference_policy
from .encoded_frame import WithProjections, in_own_memory


class ReferenceMemory:
    """Frames that are kept for each video, as a reference policy says.

    Videos are read in order, a frame at a time; several may be read in lockstep. A video starts
    with the first frame that references come with and is remembered under its ``video_id`` for as
    long as its frames keep coming. Nothing that is kept depends on a key frame.
    """

    def __init__(
        self, policy: ReferencePolicy, *, precision: str = "full", budget_mb: float = -1
    ) -> None:
        """
        Args:
            policy: references of a frame.
            precision: of the projections that are kept, one of ``PRECISIONS``; "full" keeps
                them as they are computed.
            budget_mb: MiB for the references of a video, no limit if negative. Above it frames
                are kept without the projections of their maps (most of what they take), which are
                then computed again at every key frame.

        Raises:
            InputError: if the precision is unknown.
        """
        if precision not in PRECISIONS:
            raise InputError(
                f"MODEL.VID.TEST.MEMORY.PRECISION is '{precision}': choose one of "
                f"{', '.join(PRECISIONS)}."
            )
        self.dtype = PRECISIONS[precision]
        self.budget = budget_mb * 2**20
        self._policy = policy
        self._videos: dict[Hashable, ReferencePolicy] = {}

    @classmethod
    def from_config(cls, cfg: CfgNode) -> ReferenceMemory:
        """The memory of ``MODEL.VID.TEST``."""
        memory = cfg.MODEL.VID.TEST.MEMORY
        policy = build_reference_policy(cfg)
        return cls(policy, precision=memory.PRECISION, budget_mb=memory.BUDGET_MB)

    @property
    def videos(self) -> dict[Hashable, list[WithProjections]]:
        """The frames that are kept for each video."""
        return {video_id: video.kept for video_id, video in self._videos.items()}

    def references_for(
        self,
        key: WithProjections,
        *,
        video_id: Hashable | None,
        frame_index: int | None,
        new_references: Sequence[WithProjections] | None,
    ) -> list[WithProjections]:
        """Reference frames that a key frame is compared with.

        Args:
            key: the key frame as a reference.
            video_id: its video; None for a still image, which is never remembered.
            frame_index: its position in the video.
            new_references: those that came with the key frame; None if none were read.

        Raises:
            KeyError: if the video is unknown and no references came.
        """
        if video_id is None:
            return self._policy.for_new_video().references_for(key, new_references or [])
        if video_id not in self._videos and new_references is None:
            raise KeyError(
                f"Video {video_id!r}, frame {frame_index}: its reference frames are not known. "
                "Feed a video from its first frame on, in order, whose 'reference_images' are then "
                "remembered (VideoInferenceSampler and VIDDatasetMapper do that), or leave "
                "'video_id' out to detect on the single frame."
            )
        if new_references is not None and (video_id not in self._videos or frame_index == 0):
            self._videos[video_id] = self._policy.for_new_video()
        video = self._videos[video_id]
        if new_references is not None:
            new_references = self._in_precision(new_references)
        references = video.references_for(key, new_references)
        if any(frame is key for frame in video.kept):
            video.kept = self._in_precision(video.kept)
        video.kept = _map_once(video.kept, in_own_memory)
        if self.budget >= 0:
            video.kept = self._within_budget(video.kept)
        return references

    def retain(self, video_ids: Iterable[Hashable]) -> None:
        """Forget all other videos, so that memory is bounded by what is being read."""
        wanted = set(video_ids)
        self._videos = {key: video for key, video in self._videos.items() if key in wanted}

    def _in_precision(self, frames: Sequence[WithProjections]) -> Sequence[WithProjections]:
        dtype = self.dtype
        return frames if dtype is None else _map_once(frames, lambda frame: frame.to(dtype))

    def _within_budget(self, frames: Sequence[WithProjections]) -> list[WithProjections]:
        """As many projections as the budget allows, those of the newest frames."""
        left = self.budget - sum(frame.nbytes for frame in {id(f): f for f in frames}.values())

        def fitting(frame: WithProjections) -> WithProjections:
            nonlocal left
            if left >= 0:
                return frame
            lean = frame.without_projections()
            left += frame.nbytes - lean.nbytes
            return lean

        return _map_once(frames, fitting)


def _map_once(
    frames: Sequence[WithProjections], change: Callable[[WithProjections], WithProjections]
) -> list[WithProjections]:
    """Changed frames; one that is there several times is changed once."""
    changed: dict[int, WithProjections] = {}
    for frame in frames:
        if id(frame) not in changed:
            changed[id(frame)] = change(frame)
    return [changed[id(frame)] for frame in frames]
