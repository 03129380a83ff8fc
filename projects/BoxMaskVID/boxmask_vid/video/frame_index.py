"""Time stamps of the frames of a video file, read from its packets without decoding them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .container_length import torn_matroska
from .decoding import TolerantDecoder
from .opening import open_file, refuse_other_settings

TORN_AT_THE_END = 2  # packets at most, where a stream is cut off
CHECKED_FRAMES = 64  # among which a B-frame is, if there are any


class NotSeekable(InputError):
    """The frames of a video have no time stamps, or the same ones twice."""


class DisorderedTimes(NotSeekable):
    """The time stamps are in the order of decoding, and frames are shown in another one."""


@dataclass(frozen=True)
class FrameIndex:
    """Sorted time stamps of all frames that are shown, and of key frames.

    ``whole_packets`` counts the packets that are not torn, ``torn_packets`` those that are and have
    others behind them, ``hidden`` frames at the start that cannot be decoded because their key
    frame is not in the file; at byte ``torn_at`` it is cut off and another video begins.
    """

    times: np.ndarray
    key_times: np.ndarray
    whole_packets: int
    torn_packets: int
    last_times: list[int]  # of the last packets
    hidden: int
    torn_at: int | None


class _Packet(NamedTuple):
    time: int | None  # presentation time stamp
    decoding_time: int | None
    is_key: bool
    is_discarded: bool
    is_corrupt: bool


@functools.lru_cache(maxsize=1024)
def read_index(path: str, modified: int) -> FrameIndex:
    """Read the packets of a file; ``modified`` is when it was changed last.

    Raises:
        InputError: if it has no frames, or is of two videos that were encoded differently.
        NotSeekable: if frames have no time stamps, or these start again within the file.
    """
    container, stream = open_file(path)
    refuse_other_settings(path)
    with container:
        has_b_frames = stream.codec_context.has_b_frames
        decoder = TolerantDecoder(container, stream)
        packets = [
            _Packet(
                packet.pts, packet.dts, packet.is_keyframe, packet.is_discard, packet.is_corrupt
            )
            for packet in decoder.packets()
        ]
    if not packets and decoder.last_error is not None:
        raise InputError(f"The video {path} is broken ({decoder.last_error}): get it again.")
    shown = [packet for packet in packets if not packet.is_discarded]
    if not shown:
        raise InputError(f"The video {path} has no frames: get it again.")
    in_file_order = _times_of(path, shown)
    if has_b_frames and all(before < after for before, after in pairwise(in_file_order)):
        _check_order(path)
    times = np.sort(in_file_order)
    keys = np.sort([packet.time for packet in shown if packet.is_key])
    whole = sum(not packet.is_corrupt for packet in packets) + decoder.repeats
    hidden = 0
    if not packets[0].is_discarded and (not packets[0].is_key or times[0] != packets[0].time):
        first = _first_decoded(path)
        if first is not None:
            if not packets[0].is_key and len(keys):  # decoders may guess what is before a key frame
                first = max(first, int(keys[0]))
            hidden = int(np.searchsorted(times, first))
            times, keys = times[hidden:], keys[keys >= first]
    torn = sum(packet.is_corrupt for packet in packets[hidden:-TORN_AT_THE_END])
    return FrameIndex(
        times, keys, whole, torn, in_file_order[-TORN_AT_THE_END:], hidden, torn_matroska(path)
    )


def _times_of(path: str, shown: Sequence[_Packet]) -> list[int]:
    """Time stamps that are all different, in the order of the file."""
    times = [packet.time for packet in shown if packet.time is not None]
    if len(times) < len(shown):
        raise NotSeekable(
            f"The frames of the video {path} have no time stamps, so that they cannot be found by "
            "number: put them into another container (ffmpeg -i IN -c copy OUT.mp4)."
        )
    order = [packet.decoding_time for packet in shown if packet.decoding_time is not None]
    again = next((i for i, pair in enumerate(pairwise(order), 1) if pair[1] < pair[0]), 0)
    if again or len(set(times)) < len(times):
        raise NotSeekable(
            f"The time stamps of the video {path} start again{f' at frame {again}' * bool(again)}, "
            "as where recordings were joined, so that frames cannot be found by number: write it "
            "anew (ffmpeg -i IN OUT.mp4)."
        )
    return times


def _check_order(path: str) -> None:
    """Check that frames are shown in the order of their time stamps.

    AVI has no times at which frames are shown, and FFmpeg takes those of decoding for them.
    """
    container, stream = open_file(path)
    with container:
        frames = islice(TolerantDecoder(container, stream), CHECKED_FRAMES)
        times = [frame.pts for frame in frames if frame.pts is not None]
    if any(after < before for before, after in pairwise(times)):
        raise DisorderedTimes(
            f"The time stamps of the video {path} are not those at which frames are shown "
            "(B-frames in AVI), so that frames cannot be found by number: write it anew "
            "(ffmpeg -i IN OUT.mp4)."
        )


def _first_decoded(path: str) -> int | None:
    """Time stamp of the first frame that can be decoded."""
    container, stream = open_file(path)
    with container:
        first = next(iter(TolerantDecoder(container, stream)), None)
    return None if first is None else first.pts
