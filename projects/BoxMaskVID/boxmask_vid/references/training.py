"""References of a key frame in training (``bilateral_uniform`` of mmtracking)."""

from __future__ import annotations

import random

from detectron2.config import CfgNode

from .policy import check_count


class BilateralUniformSampler:
    """Half of the references from before the key frame, half from after it."""

    def __init__(self, num_references: int, reference_range: int) -> None:
        """
        Args:
            num_references: frames to draw; even.
            reference_range: how far from the key frame they may be, in frames.
        """
        self.num_references = num_references
        self.reference_range = reference_range

    @classmethod
    def from_config(cls, cfg: CfgNode) -> BilateralUniformSampler:
        """The sampler of ``INPUT.VID.TRAIN``.

        Raises:
            InputError: if the number of references is odd or negative.
        """
        train = cfg.INPUT.VID.TRAIN
        count = check_count("INPUT.VID.TRAIN.NUM_REFERENCES", train.NUM_REFERENCES, even=True)
        return cls(count, train.REFERENCE_RANGE)

    def __call__(self, frame_index: int, length: int, rng: random.Random) -> list[int]:
        """
        Args:
            frame_index: the key frame, one of 0 .. length - 1.
            length: number of frames of the video.
            rng: source of the randomness.

        Returns:
            sorted frame numbers without the key frame; fewer near the ends of the video, none for
            a video of one frame.
        """
        before = range(max(0, frame_index - self.reference_range), frame_index)
        after = range(frame_index + 1, min(length, frame_index + self.reference_range + 1))
        half = self.num_references // 2
        return sorted(
            frame for side in (before, after) for frame in rng.sample(side, min(half, len(side)))
        )
