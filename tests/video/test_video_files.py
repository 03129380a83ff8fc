import http.server
import io
import resource
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoWriter, open_frames, video_file


def frames(count: int) -> list[np.ndarray]:
    """Plain frames, each of another brightness."""
    return [np.full((48, 64, 3), 20 + 20 * index, np.uint8) for index in range(count)]


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.mp4"
    with VideoWriter(path, 10) as writer:
        for frame in frames(8):
            writer.write(frame)
    return path


def test_what_is_written_can_be_read_again_and_again(video):
    source = open_frames(video)
    assert (source.length, source.fps) == (8, 10)
    for _ in range(2):
        levels = [frame.mean() for frame in source]
        assert levels == pytest.approx([20 + 20 * index for index in range(8)], abs=4)


@pytest.mark.parametrize("kind", ["file", "folder", "arrays"])
def test_frames_are_picked_by_number(video, tmp_path, kind):
    if kind == "file":
        source = open_frames(video)
    elif kind == "folder":
        for index, frame in enumerate(frames(8)):
            cv2.imwrite(str(tmp_path / f"{index:03d}.png"), frame)
        source = open_frames(str(tmp_path))
    else:
        source = open_frames(frames(8))
    picked = source.pick([0, 3, 3, 7])
    assert [frame.mean() for frame in picked] == pytest.approx([20, 80, 80, 160], abs=4)


def test_frames_that_are_picked_one_after_the_other_are_not_searched_for(video, monkeypatch):
    """A window of references that slides: each would be decoded from its key frame on."""
    source, opened, open_file = open_frames(video), [], video_file.open_file
    monkeypatch.setattr(
        video_file, "open_file", lambda path: opened.append(path) or open_file(path)
    )
    assert len(source.pick([0, 0, 1, 2])) == 4
    assert len(opened) == 1
    levels = [source.pick([index])[0].mean() for index in (3, 4, 5, 6, 7, 7)]
    assert levels == pytest.approx([80, 100, 120, 140, 160, 160], abs=4)
    assert len(opened) == 1
    assert source.pick([7])[0] is source.pick([7])[0]


def test_frames_that_come_in_the_same_memory_are_kept():
    def filled_again() -> Iterator[np.ndarray]:
        memory = np.empty((48, 64, 3), np.uint8)
        for frame in frames(4):
            memory[:] = frame
            yield memory

    images = [frame.image.mean() for frame in list(open_frames(filled_again()).frames())]
    assert images == [20, 40, 60, 80]


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "deeper/v.mp4"
    with VideoWriter(path, 10) as writer:
        writer.write(frames(1)[0])
        assert not path.exists()
    assert open_frames(path).length == 1
    assert [file.name for file in path.parent.iterdir()] == ["v.mp4"]


def test_an_interruption_keeps_what_was_written(tmp_path):
    path = tmp_path / "v.mp4"

    def interrupted() -> None:
        with VideoWriter(path, 10) as writer:
            for frame in frames(5):
                writer.write(frame)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert open_frames(path).length == 5


def test_a_full_disk_leaves_a_valid_file(tmp_path):
    path, noise = tmp_path / "v.mp4", np.random.default_rng(0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        with VideoWriter(path, 2) as writer:
            for _ in range(200):
                writer.write(noise.integers(0, 256, (48, 64, 3), np.uint8))

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
        with pytest.raises(InputError, match=r"v\.mp4 cannot be written \(File too large\)"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.stat().st_size <= 40_000
    read = []
    with pytest.raises(InputError, match="is cut off"):
        read.extend(open_frames(path))
    assert len(read) >= 2


@pytest.mark.parametrize("size", [(1, 1), (47, 63), (48, 64)])
def test_every_size_is_kept(tmp_path, size):
    with VideoWriter(tmp_path / "v.mp4", 30000 / 1001) as writer:
        writer.write(np.zeros((*size, 3), np.uint8))
    source = open_frames(tmp_path / "v.mp4")
    assert source.fps == pytest.approx(30000 / 1001)
    assert next(iter(source)).shape == (*size, 3)


def test_frames_of_another_size_are_refused(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 10) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(InputError, match="a frame of 32 x 48 pixels follows frames of 64 x 48"):
            writer.write(np.zeros((48, 32, 3), np.uint8))


def noise(count: int) -> list[np.ndarray]:
    """Frames that need many bytes."""
    return list(np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3), np.uint8))


def encode(file, *, codec: str, suffix: str, pictures: list, rate: int = 10) -> None:
    """A video of another kind than the writer's."""
    file = str(file) if isinstance(file, Path) else file
    with av.open(file, "w", format=suffix) as container:
        stream = container.add_stream(codec, rate=rate, width=64, height=48, pix_fmt="yuv420p")
        for frame in pictures:
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def test_a_video_without_time_stamps_is_read_from_its_start(tmp_path):
    path = tmp_path / "v.h264"
    encode(path, codec="libx264", suffix="h264", pictures=frames(12))
    source = open_frames(path)
    assert source.length == 12
    picked = source.pick([0, 3, 3, 7])
    assert [frame.mean() for frame in picked] == pytest.approx([20, 80, 80, 160], abs=4)


def test_times_are_those_of_the_file(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        stream.codec_context.time_base = Fraction(1, 10)
        for frame, tick in zip(frames(4), (0, 1, 5, 6), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
            picture.pts, picture.time_base = tick, Fraction(1, 10)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    times = [frame.time for frame in open_frames(path).frames()]
    assert times == pytest.approx([0, 0.1, 0.5, 0.6])


def test_pictures_of_all_kinds_become_bgr(tmp_path):
    color = np.full((4, 6, 3), (10, 20, 30), np.uint8)
    kinds = {
        "grey": np.full((4, 6), 50, np.uint8),
        "grey with an axis": np.full((4, 6, 1), 50, np.uint8),
        "16 bits": color.astype(np.uint16) * 257,
        "transparent": np.dstack([color, np.full((4, 6), 99, np.uint8)]),
        "color": color,
    }
    for name, picture in kinds.items():
        expected = np.full((4, 6, 3), 50) if "grey" in name else color
        cv2.imwrite(str(tmp_path / "picture.png"), picture)
        for source in ([picture], iter([picture]), tmp_path / "picture.png"):
            (frame,) = open_frames(source)
            assert frame.dtype == np.uint8, name
            assert np.array_equal(frame, expected), name


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 6, 2), np.uint8), np.zeros((4, 6, 3)), np.zeros((0, 6, 3), np.uint8)]
)
def test_arrays_that_are_no_pictures_are_refused(wrong):
    with pytest.raises(InputError, match=r"Frame 1 is an array of shape .* and type"):
        list(open_frames([frames(1)[0], wrong]))


def test_a_glob_is_in_the_order_of_the_names(tmp_path):
    for name in ("b.png", "a.png", "c.jpg"):
        cv2.imwrite(str(tmp_path / name), np.full((4, 6, 3), ord(name[0]), np.uint8))
    source = open_frames(str(tmp_path / "*.png"))
    assert [int(frame.mean()) for frame in source] == [ord("a"), ord("b")]


def test_a_truncated_video_says_so_at_its_end(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        for frame in frames(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    whole = path.read_bytes()
    for size in range(len(whole) - 400, len(whole), 37):
        path.write_bytes(whole[:size])
        source, read = open_frames(path), []
        with pytest.raises(InputError, match=r"v\.mp4 (cannot be decoded at|is cut off)"):
            read.extend(source)
        assert 0 < len(read) <= 12


@pytest.mark.parametrize("name", ["v.mkv", "v.webm", "fragments.mp4"])
def test_a_file_that_tells_its_length_is_known_to_be_cut_off(tmp_path, name):
    path = tmp_path / name
    if name == "fragments.mp4":
        with VideoWriter(path, 4) as writer:
            for frame in noise(12):
                writer.write(frame)
    elif name == "v.mkv":
        encode(path, codec="libx264", suffix="matroska", pictures=noise(12))
    else:
        encode(path, codec="libvpx-vp9", suffix="webm", pictures=noise(12))
    assert sum(1 for _ in open_frames(path)) == 12
    whole = path.read_bytes()
    for size in (len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:size])
        source, read = open_frames(path), []
        with pytest.raises(
            InputError, match=rf"{name} (cannot be decoded at|is cut off: at least)"
        ):
            read.extend(source)
        assert 0 < len(read) < 12


class Pipe(io.RawIOBase):
    """Where nobody can go back to note the length."""

    def __init__(self) -> None:
        self.written = b""

    def writable(self) -> bool:
        return True

    def write(self, part) -> int:
        self.written += bytes(part)
        return len(part)


@pytest.mark.parametrize("kind", ["matroska", "mpegts", "h264", "mpeg"])
def test_a_file_that_does_not_tell_its_length_is_taken_as_it_is(tmp_path, kind):
    pipe, path = Pipe(), tmp_path / f"v.{kind}"
    codec = "mpeg2video" if kind == "mpeg" else "libx264"
    encode(pipe, codec=codec, suffix=kind, pictures=noise(12), rate=25)
    for part in (len(pipe.written), len(pipe.written) * 2 // 3):
        path.write_bytes(pipe.written[:part])
        assert 0 < sum(1 for _ in open_frames(path)) <= 12


class OneVideo(http.server.BaseHTTPRequestHandler):
    """Sends a video as a live stream: without a length, and then no more."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def stream_address(tmp_path):
    encode(tmp_path / "v.ts", codec="libx264", suffix="mpegts", pictures=frames(12))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneVideo) as server:
        server.content = (tmp_path / "v.ts").read_bytes()
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v.ts"
        server.shutdown()


def test_a_stream_from_the_network_is_read_as_it_comes(stream_address):
    source, read = open_frames(stream_address), []
    assert (source.length, source.fps) == (None, 10)
    with pytest.raises(InputError, match=r"The stream http://.* ended after 12 frames"):
        read.extend(source)
    assert [frame.mean() for frame in read] == pytest.approx(range(20, 260, 20), abs=4)


def test_live_sources_that_are_not_there():
    with pytest.raises(InputError, match="The camera 99 does not answer"):
        open_frames(99)
    with pytest.raises(InputError, match=r"The stream rtsp://127\.0\.0\.1:9/x does not answer"):
        open_frames("rtsp://127.0.0.1:9/x")


def test_the_address_of_a_file_is_the_file(video):
    source = open_frames(f"file://{video}")
    assert (len(list(source)), source.length, source.fps) == (8, 8, 10)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile '{}'\n"),
    ],
)
def test_a_list_of_videos_shows_none_of_them(tmp_path, name, content):
    encode(tmp_path / "v.ts", codec="libx264", suffix="mpegts", pictures=frames(4))
    listing = tmp_path / name
    listing.write_text(content.format("v.ts"))
    with av.open(str(listing)) as container:  # FFmpeg itself would
        assert sum(bool(packet.size) for packet in container.demux(video=0)) == 4
    with pytest.raises(InputError, match="is not a video"):
        open_frames(listing)


def test_what_is_no_video(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Video file or image folder .* not found"):
        open_frames(tmp_path / "none.mp4")
    with pytest.raises(InputError, match="has no images"):
        open_frames(tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video")
    with pytest.raises(InputError, match=r"text\.mp4 is not a video that FFmpeg can read"):
        open_frames(text)
