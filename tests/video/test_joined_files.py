"""Two videos in one file: what is not read is said."""

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoFile, container_length, open_frames
from boxmask_vid.video.container_length import second_matroska, second_start, torn_matroska
from support.numbered_videos import number_of, numbered, write_numbered

CONTAINERS = {"mp4": "mpeg4", "mov": "mpeg4", "avi": "mpeg4", "flv": "flv1", "wmv": "wmv2"}


def write(path: Path, codec: str, **options: str) -> bytes:
    """Write eight frames; ``options`` are those of the container."""
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
        length = open_frames(path).length
    said = f"has another one in it, from byte {len(first)} on, which is not read" in caplog.text
    assert (length, said) == ((16, False) if suffix == "avi" else (8, True))
    assert second_start(path) == len(first)


def test_files_in_fragments_are_one_video(tmp_path):
    write(tmp_path / "a.mp4", "mpeg4", movflags="frag_keyframe+empty_moov", frag_duration="100000")
    assert second_start(tmp_path / "a.mp4") is None


MATROSKA = {
    "a.mkv": {},
    "own.mkv": {"codec": "mpeg4", "options": {"g": "4"}},
    "a.webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
    "live.webm": {"codec": "libvpx", "options": {"deadline": "realtime"}},
}


def write_matroska(path: Path, numbers: range, *, live: bool = False, **how) -> bytes:
    """Write a Matroska or WebM file; ``live`` without lengths and index, as browsers record."""
    path = write_numbered(path, numbers, **how)
    if live:
        with (
            av.open(str(path)) as source,
            av.open(str(path.with_name("copy.webm")), "w", options={"live": "1"}) as copy,
        ):
            stream = copy.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    copy.mux(packet)
        return path.with_name("copy.webm").read_bytes()
    return path.read_bytes()


@pytest.mark.parametrize("name", MATROSKA)
def test_matroska_files_that_were_encoded_alike_are_read_on(tmp_path, name):
    parts = [
        write_matroska(tmp_path / name, numbers, live=name == "live.webm", **MATROSKA[name])
        for numbers in (range(10), range(10, 20))
    ]
    path = tmp_path / name
    path.write_bytes(parts[0])
    assert second_matroska(path) is None
    path.write_bytes(parts[0] + parts[1])
    assert second_matroska(path) == len(parts[0])
    source = open_frames(path)
    assert [number_of(frame) for frame in source] == list(range(20))
    assert all(np.diff([frame.time for frame in source.frames()]) > 0)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.95, 0.99])
@pytest.mark.parametrize("name", MATROSKA)
def test_a_torn_file_with_others_around_is_called_cut_off(tmp_path, caplog, name, share):
    parts = [
        write_matroska(tmp_path / name, numbers, live=name == "live.webm", **MATROSKA[name])
        for numbers in (range(10), range(10, 30), range(30, 40))
    ]
    torn = parts[1][: int(share * len(parts[1]))]
    path = tmp_path / name
    for before in (b"", parts[0]):
        path.write_bytes(before + torn + parts[2])
        place = len(before + torn)
        assert torn_matroska(path) == place
        with pytest.raises(InputError, match=f"is cut off: at byte {place} another one begins"):
            list(open_frames(path).frames())
        path.write_bytes(before + parts[1] + parts[2])
        assert torn_matroska(path) is None
    assert "between key frames" not in caplog.text


def test_the_header_behind_a_torn_file_is_found_between_two_blocks(tmp_path, monkeypatch):
    content = write_matroska(tmp_path / "a.mkv", range(10))
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2] + content)
    for size in (1, 7, 64, 65):
        monkeypatch.setattr(container_length, "BLOCK", size)
        assert torn_matroska(tmp_path / "a.mkv") == len(content) // 2


SETTINGS = [{"profile": "high", "refs": "4", "bf": "3"}, {"profile": "baseline"}]


def test_matroska_files_that_were_encoded_differently_are_refused(tmp_path):
    parts = [
        write_matroska(tmp_path / "a.mkv", range(10), options=settings) for settings in SETTINGS
    ]
    (tmp_path / "a.mkv").write_bytes(parts[0] + parts[1])
    sentence = rf"has another one in it, from byte {len(parts[0])} on, which was encoded otherwise"
    for function in (open_frames, VideoFile):
        with pytest.raises(InputError, match=sentence):
            function(tmp_path / "a.mkv")


@pytest.mark.parametrize("tail", [b"", b"\x1a\x45\xdf\xa3", b"\xff" * 20, bytes(20), b"\x80"])
def test_what_else_may_be_behind_a_matroska_file(tmp_path, tail):
    content = write_matroska(tmp_path / "a.mkv", range(5))
    for end in (len(content), len(content) // 2, 40, 5):
        (tmp_path / "a.mkv").write_bytes(content[:end] + tail)
        assert second_matroska(tmp_path / "a.mkv") in (None, end)
    (tmp_path / "a.mkv").write_bytes(content + tail)
    assert len(VideoFile(tmp_path / "a.mkv")) == 5


def test_two_videos_side_by_side_are_said(tmp_path, caplog):
    path = tmp_path / "dash.mp4"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        for size, stream in zip((2, 1), streams, strict=True):
            height, width, _ = numbered(0).shape
            stream.width, stream.height = size * width, size * height
        for number in range(8):
            for stream in streams:
                picture = np.ascontiguousarray(numbered(number))
                frame = av.VideoFrame.from_ndarray(picture, "bgr24")
                container.mux(stream.encode(frame.reformat(stream.width, stream.height, "yuv420p")))
        for stream in streams:
            container.mux(stream.encode())
    assert open_frames(path).length == 8
    assert "has 2 videos side by side, of which" in caplog.text
    assert "is read, of 192 x 96 pixels" in caplog.text
