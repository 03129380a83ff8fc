"""Which frames of a video serve as reference frames of a key frame.

Pure functions of frame numbers 0 .. length - 1. The rules are those of the reference
implementation (``bilateral_uniform``, ``test_with_adaptive_stride``, ``test_with_fix_stride``).
"""

from __future__ import annotations

import random


def bilateral_uniform(
    frame_index: int, length: int, num_references: int, reference_range: int, rng: random.Random
) -> list[int]:
    """Training: half of the references from before the key frame, half from after it.

    Args:
        frame_index: the key frame.
        length: number of frames of the video.
        num_references: how many to draw; even.
        reference_range: how far from the key frame they may be, in frames.
        rng: where the randomness comes from.

    Returns:
        sorted frame numbers without the key frame; fewer near the ends of the video, none for a
        video of one frame.
    """
    before = range(max(0, frame_index - reference_range), frame_index)
    after = range(frame_index + 1, min(length, frame_index + reference_range + 1))
    half = num_references // 2
    return sorted(
        frame for side in (before, after) for frame in rng.sample(side, min(half, len(side)))
    )


def adaptive_stride(length: int, num_references: int) -> list[int]:
    """Test: frames spread evenly over the whole video, the first and the last included.

    Returns:
        ``num_references`` frame numbers; some repeat if the video is shorter than that. A single
        reference is the middle frame.
    """
    if num_references == 1:
        return [(length - 1) // 2]
    if num_references == 0:
        return []
    stride = (length - 1) / (num_references - 1)
    return [round(i * stride) for i in range(num_references)]


def fixed_stride_window(length: int, num_references: int, stride: int) -> list[int]:
    """Test: the sliding window of the first frame.

    Returns:
        ``num_references + 1`` frame numbers around frame 0, which stands in the middle and
        before the start; the last frame stands for what is beyond the end.
    """
    half = num_references // 2
    return [min(max(i, 0) * stride, length - 1) for i in range(-half, half + 1)]


def fixed_stride_step(frame_index: int, length: int, num_references: int, stride: int) -> list[int]:
    """Test: the frames that enter the sliding window at a later frame: one or none."""
    if frame_index % stride:
        return []
    return [min(frame_index + num_references // 2 * stride, length - 1)]


def online_lookahead(frame_index: int, length: int, lookahead: int, first: bool) -> list[int]:
    """Test: the frames of the future that are new at a frame.

    Args:
        frame_index: the key frame.
        length: number of frames of the video.
        lookahead: how far the future is known, in frames.
        first: whether the key frame is the first one, to which all of them are new.
    """
    nearest = frame_index + (1 if first else max(lookahead, 1))
    return list(range(nearest, min(frame_index + lookahead, length - 1) + 1))
