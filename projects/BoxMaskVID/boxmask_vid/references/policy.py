"""Base class of the reference policies, registered in REFERENCE_POLICY_REGISTRY.

A policy says which frames of a video are read as references at test, and which of the frames that
are encoded a key frame is compared with.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from detectron2.config import CfgNode
from fvcore.common.registry import Registry

from ..errors import InputError

Frame = TypeVar("Frame")

REFERENCE_POLICY_REGISTRY = Registry("REFERENCE_POLICY")
REFERENCE_POLICY_REGISTRY.__doc__ = """
Builders of reference policies, by the name that ``MODEL.VID.TEST.REFERENCES`` has for them:
functions of the config that return a :class:`ReferencePolicy`.
"""


class ReferencePolicy(ABC, Generic[Frame]):
    """References of the frames of one video, which are visited in order.

    Attributes:
        needs_every_frame: whether the references of a frame depend on the frames that were visited
            before it, so that a video has to be visited whole and from its start.
        needs_whole_video: whether references are read from anywhere in the video, which a stream
            does not allow.
    """

    needs_every_frame = True
    needs_whole_video = True

    @abstractmethod
    def frames_to_load(
        self, frame_index: int, length: int, *, is_first: bool
    ) -> Sequence[int] | None:
        """Numbers of the frames to read and encode for a key frame; None for none.

        Args:
            frame_index: the key frame.
            length: number of frames of the video.
            is_first: whether it is the first frame that is visited.
        """

    @abstractmethod
    def references_for(self, key: Frame, new: Sequence[Frame] | None) -> list[Frame]:
        """Frames that the key frame is compared with, itself among them.

        Args:
            key: the encoded key frame.
            new: the encoded :meth:`frames_to_load`; None for none.
        """

    @property
    @abstractmethod
    def kept(self) -> list[Frame]:
        """Encoded frames that are kept for the frames to come, the oldest first."""

    @kept.setter
    @abstractmethod
    def kept(self, frames: Sequence[Frame]) -> None:
        """Replace them by as many others."""

    def for_new_video(self) -> ReferencePolicy[Frame]:
        """The same policy before the first frame of a video."""
        return copy.deepcopy(self)


def build_reference_policy(cfg: CfgNode) -> ReferencePolicy:
    """The policy of ``MODEL.VID.TEST.REFERENCES``.

    Raises:
        InputError: if no policy has that name, or an option has an impossible value.
    """
    name = cfg.MODEL.VID.TEST.REFERENCES
    if name not in REFERENCE_POLICY_REGISTRY:
        known = ", ".join(sorted(name for name, _ in REFERENCE_POLICY_REGISTRY))
        raise InputError(f"MODEL.VID.TEST.REFERENCES is '{name}': choose one of {known}.")
    return REFERENCE_POLICY_REGISTRY.get(name)(cfg)


def check_count(
    key: str, count: int, *, even: bool = False, least: int = 0, divides: int = 0
) -> int:
    """A number from a config.

    Raises:
        InputError: if it is less than ``least``, odd where it has to be even, or does not divide
            ``divides``.
    """
    if count < least or (even and count % 2) or (count and divides % count):
        kind = f"{least} or more" + f", and divide {divides} channels" * bool(divides)
        if even:
            kind = "an even number, half on each side of the key frame"
        raise InputError(f"{key} is {count}: it must be {kind}.")
    return count
