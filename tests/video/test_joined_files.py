"""Two videos in one file: what is not read is said."""

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from boxmask_vid.video import open_frames
from boxmask_vid.video.container_length import second_start
from support.numbered_videos import numbered

CONTAINERS = {"mp4": "mpeg4", "mov": "mpeg4", "avi": "mpeg4", "flv": "flv1", "wmv": "wmv2"}


def write(path: Path, codec: str, **options: str) -> bytes:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=10)
        height, width, _ = numbered(0).shape
        stream.width, stream.height = width, height
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(numbered(number)), "bgr24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_second_video_is_said(tmp_path, caplog, suffix):
    path = tmp_path / f"joined.{suffix}"
    first = write(path, CONTAINERS[suffix])
    with caplog.at_level(logging.WARNING):
        assert second_start(path) is None
        open_frames(path)
        assert "another one in it" not in caplog.text
        path.write_bytes(first + first)
        open_frames(path)
    assert f"has another one in it, from byte {len(first)} on" in caplog.text


def test_files_in_fragments_are_one_video(tmp_path):
    write(tmp_path / "a.mp4", "mpeg4", movflags="frag_keyframe+empty_moov", frag_duration="100000")
    assert second_start(tmp_path / "a.mp4") is None
