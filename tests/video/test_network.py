"""Cameras and files at addresses."""

import os
import signal
import threading
import time
from itertools import count, islice

import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.video import open_frames, without_password
from boxmask_vid.video.live_source import LONGEST_SILENCE
from support.numbered_videos import number_of, numbered, set_matrix, write_numbered
from support.web_server import served

INTERVAL = 0.1  # seconds between the pictures of the camera


def paced(number: int):
    """Pictures as a camera sends them."""
    for index in range(number):
        yield numbered(index)
        threading.Event().wait(INTERVAL)


def test_times_of_a_camera_are_those_of_arrival(tmp_path):
    with served(tmp_path, lambda: paced(12)) as address:
        source, read = open_frames(f"{address}/camera"), []
        with pytest.raises(InputError, match=r"stream .*/camera ended after 12 frames"):
            read.extend(source.frames())
    assert [number_of(frame.image) for frame in read] == list(range(12))
    assert [frame.number for frame in read] == list(range(12))
    times = np.array([frame.time for frame in read])
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert times[-1] > 0.7  # 12 frames at 25 a second would take 0.44 seconds
    assert not source.is_constant


def test_a_given_rate_is_that_of_the_camera(tmp_path):
    with served(tmp_path, lambda: map(numbered, range(5))) as address:
        source, read = open_frames(f"{address}/camera", fps=10), []
        with pytest.raises(InputError, match="ended after 5 frames"):
            read.extend(source.frames())
    assert [frame.time for frame in read] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert (source.fps, source.is_constant) == (10, True)


def test_frames_that_come_too_fast_are_counted(tmp_path):
    with served(tmp_path, lambda: (numbered(index % 64) for index in range(300))) as address:
        source = open_frames(f"{address}/camera")
        frames, read = source.frames(), []
        read.append(next(frames))
        deadline = time.monotonic() + 240
        while not source.dropped and time.monotonic() < deadline:
            threading.Event().wait(0.01)  # as a slow model
        with pytest.raises(InputError, match="ended after 300 frames"):
            read.extend(frames)
    assert source.dropped > 0
    assert len(read) + source.dropped == 300
    assert [frame.number for frame in read] == list(range(len(read)))


def test_ctrl_c_is_answered_while_a_camera_is_silent(tmp_path):
    pressed, all_read, silent = [], threading.Event(), threading.Event()

    def pictures():
        yield from map(numbered, range(3))
        all_read.wait()
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
        silent.wait()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    read = []
    try:
        with served(tmp_path, pictures) as address:
            source = open_frames(f"{address}/camera")
            frames = source.frames()
            read.extend(islice(frames, 3))
            all_read.set()
            with pytest.raises(KeyboardInterrupt):
                read.extend(frames)
            # a busy machine takes seconds; one that waited for the camera took all of this time
            assert time.monotonic() - pressed[0] < LONGEST_SILENCE / 2
            silent.set()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_file_at_an_address_is_read_whole_and_turned(tmp_path):
    path = write_numbered(tmp_path / "v.mp4", range(50), ticks=[i + i // 9 for i in range(50)])
    set_matrix(path, -1, 0, 0, 1)
    on_disk = list(open_frames(path).frames())
    # this server sends no parts of a file, and the index of this one is at its end
    with served(tmp_path) as address:
        source = open_frames(f"{address}/v.mp4")
        read = list(source.frames())
    assert source.dropped == 0
    assert [frame.time for frame in read] == pytest.approx([frame.time for frame in on_disk])
    assert all(np.array_equal(a.image, b.image) for a, b in zip(read, on_disk, strict=True))


def test_a_file_without_an_index_ends_as_well(tmp_path):
    write_numbered(tmp_path / "v.ts", range(40))
    with served(tmp_path) as address:
        read = list(open_frames(f"{address}/v.ts").frames())
    assert [number_of(frame.image) for frame in read] == list(range(40))
    assert [frame.time for frame in read] == pytest.approx([i / 25 for i in range(40)])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.mp4", "none.mp4 answers '404 Not Found'"),
        ("page.mp4", "page.mp4 does not lead to a video: it is a page of a web site"),
        ("empty.mp4", r"empty.mp4 does not lead to a video: it is empty \(0 bytes\)"),
        ("text.mp4", "text.mp4 does not lead to a video"),
    ],
)
def test_what_is_no_video_at_an_address(tmp_path, name, reason):
    (tmp_path / "page.mp4").write_text("<!doctype html><title>Sign in</title>")
    (tmp_path / "empty.mp4").write_text("")
    (tmp_path / "text.mp4").write_text("no video")
    with served(tmp_path) as address, pytest.raises(InputError, match=reason):
        open_frames(f"{address}/{name}")


@pytest.mark.parametrize("name", ["none.mp4", "page.mp4", "empty.mp4", "text.mp4", "no_index.mp4"])
def test_a_password_is_not_shown(tmp_path, name):
    (tmp_path / "page.mp4").write_text("<!doctype html><title>Sign in</title>")
    (tmp_path / "empty.mp4").write_text("")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "no_index.mp4").write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0")
    with served(tmp_path) as address, pytest.raises(InputError) as error:
        open_frames(f"{address.replace('//', '//guest:pass@word@')}/{name}")
    assert "//guest:***@127.0.0.1" in str(error.value)
    assert "word" not in str(error.value)


def test_addresses_without_a_password_are_shown_as_they_are():
    for address in ("rtsp://10.0.0.1:554/a:b@c", "http://guest@host/a", "a:b@c.mp4", "0"):
        assert without_password(address) == address
    assert without_password("rtsp://:secret@host:1/a@b") == "rtsp://:***@host:1/a@b"


def test_a_stream_is_read_once(tmp_path):
    with served(tmp_path, lambda: (numbered(index % 64) for index in count())) as address:
        source = open_frames(f"{address}/camera")
        next(source.frames())
        with pytest.raises(InputError, match="only once"):
            next(source.frames())
