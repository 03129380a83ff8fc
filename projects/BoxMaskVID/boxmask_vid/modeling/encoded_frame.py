"""Frames that went through the network up to where key and reference frames meet.

M RoIs of a frame, C channels, P pooler size, D FC width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

import torch


class WithProjections(ABC):
    """Features of a frame with projections of them, which can be computed again."""

    @abstractmethod
    def to(self, dtype: torch.dtype) -> WithProjections:
        """The same with the projections in another precision."""

    @abstractmethod
    def without_projections(self) -> WithProjections:
        """The same without the projections."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Memory in bytes."""


@dataclass
class References(WithProjections):
    """T encoded reference frames with M RoIs in all.

    Attributes:
        attention_kv: for each stage of the box head what its ``project`` returns for the M RoIs,
            e.g. attention keys and values, (M, D) each.
        maps: the T frames as Temporal RoI Align encodes them, without cells that only pad a batch;
            empty without it.
    """

    attention_kv: Iterable[tuple[torch.Tensor, ...]] = field(default_factory=list)
    maps: list[Any] = field(default_factory=list)

    @staticmethod
    def cat(frames: Sequence[References]) -> References:
        """All frames in one, in order."""
        maps = [features for frame in frames for features in frame.maps]
        return References(_ConcatenatedStages([frame.attention_kv for frame in frames]), maps)

    def to(self, dtype: torch.dtype) -> References:
        kv = [tuple(part.to(dtype) for part in stage) for stage in self.attention_kv]
        return References(
            kv, [m.to(dtype) if isinstance(m, WithProjections) else m for m in self.maps]
        )

    def without_projections(self) -> References:
        """The same without what Temporal RoI Align can compute again at every key frame."""
        maps = [m.without_projections() if isinstance(m, WithProjections) else m for m in self.maps]
        return References(self.attention_kv, maps)

    @property
    def nbytes(self) -> int:
        kv = sum(part.nbytes for stage in self.attention_kv for part in stage)
        return kv + sum(features.nbytes for features in self.maps)


def in_own_memory(value: Any) -> Any:
    """What is encoded, or a part of it, without the memory of what it was computed together with.

    Returns:
        ``value`` itself if all of its tensors have their memory for themselves.
    """
    if isinstance(value, torch.Tensor):
        return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value
    if isinstance(value, list | tuple):
        parts = [in_own_memory(part) for part in value]
        same = all(part is before for part, before in zip(parts, value, strict=True))
        return value if same else type(value)(parts)
    if is_dataclass(value) and not isinstance(value, type):
        before = {part.name: getattr(value, part.name) for part in fields(value)}
        after = in_own_memory(before)
        return value if after is before else replace(value, **after)
    if isinstance(value, dict):
        parts = in_own_memory(list(value.values()))
        same = all(part is before for part, before in zip(parts, value.values(), strict=True))
        return value if same else dict(zip(value, parts, strict=True))
    return value


class _ConcatenatedStages:
    """Stages of several frames; each is concatenated when it is iterated over, one at a time."""

    def __init__(self, frames: list[Iterable[tuple[torch.Tensor, ...]]]) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for stage in zip(*self._frames, strict=True):
            yield tuple(torch.cat(parts) for parts in zip(*stage, strict=True))


@dataclass
class EncodedFrame:
    """A frame as a reference, and what it shares with itself as a key frame.

    Attributes:
        reference: the frame as a reference.
        features: the whole map, with cells that pad a batch, as Temporal RoI Align encodes it;
            None without it.
        pooled: (M, C, P, P) plain RoIAlign; None unless the box head uses references.
        embedded: (M, D) after the box head's ``embed``; None as well.
    """

    reference: References = field(default_factory=References)
    features: Any = None
    pooled: torch.Tensor | None = None
    embedded: torch.Tensor | None = None
