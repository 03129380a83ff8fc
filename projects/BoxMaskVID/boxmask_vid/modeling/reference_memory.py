"""What is kept of reference frames, and for which video.

Nothing in it depends on the key frame: proposals, pooled features and the reference side of the
box head are computed once for every reference frame and give the same result for every key frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from detectron2.config import CfgNode

from .layers import FrameCells
from .online_references import OnlineReferences


class _StagesOfFrames:
    """Stages of several frames, of which one at a time is concatenated, when it is looked at."""

    def __init__(self, frames: list[Iterable[tuple[torch.Tensor, torch.Tensor]]]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for stage in zip(*self._frames, strict=True):
            keys, values = zip(*stage, strict=True)
            yield torch.cat(keys), torch.cat(values)


@dataclass
class References:
    """T encoded reference frames with M RoIs in all.

    Attributes:
        stages: for each stage of the box head the attention keys and values, (M, D) each.
        maps: cells of the T feature maps, without those that only pad a batch; empty when
            nothing looks at maps.
    """

    stages: Iterable[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    maps: list[FrameCells] = field(default_factory=list)

    @staticmethod
    def cat(frames: Sequence[References]) -> References:
        """The reference frames of all, in order."""
        maps = [each for frame in frames for each in frame.maps]
        return References(_StagesOfFrames([each.stages for each in frames]), maps)

    def to(self, dtype: torch.dtype) -> References:
        """With the projections in another precision; what similarity is computed from stays."""
        stages = [(keys.to(dtype), values.to(dtype)) for keys, values in self.stages]
        return References(stages, [each.to(dtype) for each in self.maps])

    def without_taps(self) -> References:
        """Without what Temporal RoI Align can compute again at every key frame."""
        return References(self.stages, [each.without_taps() for each in self.maps])

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        stages = sum(each.nbytes for stage in self.stages for each in stage)
        return stages + sum(each.nbytes for each in self.maps)


class ReferenceMemory:
    """The reference frames of the videos that are being read.

    Videos are read in order, a frame at a time. The references of a video come with its first
    frame and are remembered under its ``video_id`` for as long as its frames keep coming.

    Modes, as in ``MODEL.VID.TEST.REFERENCES``:

    - ``adaptive``: the references of the first frame serve the whole video, and the key frame
      itself is added as the last one.
    - ``fixed``: a sliding window. References of later frames push out the oldest, and the key
      frame replaces the middle one.
    - ``online``: frames that were key frames before, see :class:`OnlineReferences`. What comes with
      a frame are frames of the future; the key frame itself is added as the last one.
    """

    MODES = ("adaptive", "fixed", "online")
    PRECISIONS = {"full": None, "float16": torch.float16, "bfloat16": torch.bfloat16}

    def __init__(
        self,
        mode: str,
        *,
        precision: str = "full",
        budget_mb: float = -1,
        policy: str = "reservoir",
        capacity: int = 0,
        stride: int = 1,
    ) -> None:
        """
        Args:
            mode: see the class.
            precision: of the projections that are kept, one of :attr:`PRECISIONS`; "full" keeps
                them as they are computed.
            budget_mb: MiB for the references of a video, no limit if negative. Above it frames
                are kept without the projections of their maps (most of what they take), which are
                then computed again at every key frame.
            policy, capacity, stride: of the "online" mode, see :class:`OnlineReferences`.

        Raises:
            ValueError: if mode, precision or policy is none of those there are.
        """
        for key, value, known in (
            ("REFERENCES", mode, self.MODES),
            ("MEMORY.PRECISION", precision, self.PRECISIONS),
            ("ONLINE.MEMORY", policy, OnlineReferences.POLICIES),
        ):
            if value not in known:
                raise ValueError(
                    f"MODEL.VID.TEST.{key} is '{value}', must be one of {', '.join(known)}."
                )
        self.mode = mode
        self.dtype = self.PRECISIONS[precision]
        self.budget = budget_mb * 2**20
        self._online = {"policy": policy, "capacity": capacity, "stride": stride}
        self._frames: dict[Hashable, deque[References] | OnlineReferences] = {}

    @classmethod
    def from_config(cls, cfg: CfgNode) -> ReferenceMemory:
        """As ``MODEL.VID.TEST`` says."""
        test = cfg.MODEL.VID.TEST
        return cls(
            test.REFERENCES,
            precision=test.MEMORY.PRECISION,
            budget_mb=test.MEMORY.BUDGET_MB,
            policy=test.ONLINE.MEMORY,
            capacity=test.NUM_REFERENCES,
            stride=test.STRIDE,
        )

    def recall(
        self,
        key: References,
        *,
        video_id: Hashable | None,
        frame_index: int | None,
        arrived: Sequence[References] | None,
    ) -> list[References]:
        """The reference frames that the key frame is to be compared with.

        Args:
            key: the key frame, encoded as a reference.
            video_id: its video; None for a still image, which is never remembered.
            frame_index: its position in the video.
            arrived: references that came with the key frame; None if none were looked for.

        Raises:
            KeyError: if the video is unknown and no references came.
        """
        if video_id is None:
            return self._with_key(list(arrived or []), key)
        if arrived is not None and self.dtype is not None:
            arrived = _each_once(arrived, lambda frame: frame.to(self.dtype))
        starts = video_id not in self._frames or frame_index == 0
        if arrived is None and video_id not in self._frames:
            raise KeyError(
                f"Video {video_id!r}, frame {frame_index}: its reference frames are not known. "
                "Feed a video from its first frame on, in order, whose 'reference_images' are then "
                "remembered (VideoInferenceSampler and VIDDatasetMapper do that), or leave "
                "'video_id' out to detect on the single frame."
            )
        if self.mode == "online":
            if arrived is not None and starts:
                self._frames[video_id] = OnlineReferences(**self._online)
            kept = key if self.dtype is None else key.to(self.dtype)
            frames = self._frames[video_id].step(kept, arrived or [])
            if self.budget >= 0:
                self._frames[video_id].replace(self._fitting(self._frames[video_id]))
            return self._with_key(frames, key)
        if arrived is not None and (self.mode == "adaptive" or starts):
            self._frames[video_id] = deque(arrived, maxlen=len(arrived) or None)
        elif arrived is not None:
            self._frames[video_id].extend(arrived)
        if arrived is not None and self.budget >= 0:
            frames = self._frames[video_id]
            self._frames[video_id] = deque(self._fitting(frames), maxlen=frames.maxlen)
        return self._with_key(list(self._frames[video_id]), key)

    def keep_only(self, video_ids: Iterable[Hashable]) -> None:
        """Forget all other videos, so that memory is bounded by what is being read."""
        wanted = set(video_ids)
        self._frames = {key: value for key, value in self._frames.items() if key in wanted}

    def _fitting(self, frames: Iterable[References]) -> list[References]:
        """As many projections as the budget allows, those of the newest frames."""
        left = self.budget - sum(each.nbytes for each in {id(f): f for f in frames}.values())

        def fitting(frame: References) -> References:
            nonlocal left
            if left >= 0:
                return frame
            lean = frame.without_taps()
            left += frame.nbytes - lean.nbytes
            return lean

        return _each_once(frames, fitting)

    def _with_key(self, frames: list[References], key: References) -> list[References]:
        if self.mode == "fixed" and frames:
            frames[len(frames) // 2] = key
        else:
            frames.append(key)
        return frames


def _each_once(
    frames: Iterable[References], change: Callable[[References], References]
) -> list[References]:
    """Changed frames; one that is there several times stays one."""
    changed = {}
    for frame in frames:
        if id(frame) not in changed:
            changed[id(frame)] = change(frame)
    return [changed[id(frame)] for frame in frames]
