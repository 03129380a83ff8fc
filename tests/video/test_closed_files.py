"""Nothing is asked of FFmpeg once a file is closed: its memory is free then; threads take turns."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest
from detectron2.data.detection_utils import read_image

from boxmask_vid.data.video_frame_names import video_frame_name
from boxmask_vid.video import VideoFile, frame_index, open_frames, video_file, video_sources
from boxmask_vid.video.opening import open_file
from support.numbered_videos import HEIGHT, WIDTH, number_of, numbered, write_numbered


class WatchedContainer:
    """A container that notes that it was closed, and keeps the memory."""

    def __init__(self, container: av.container.InputContainer) -> None:
        self.real, self.is_closed = container, False

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def __enter__(self) -> "WatchedContainer":
        return self

    def __exit__(self, *error: object) -> None:
        self.is_closed = True

    def demux(self, stream: "WatchedStream") -> object:
        return self.real.demux(stream.real)

    def seek(self, time: int, *, stream: "WatchedStream", backward: bool) -> None:
        self.real.seek(time, stream=stream.real, backward=backward)


class WatchedStream:
    """A stream that refuses to be asked when its container is closed."""

    def __init__(self, stream: av.video.stream.VideoStream, container: WatchedContainer) -> None:
        self.real, self.container = stream, container

    def __getattr__(self, name: str) -> object:
        assert not self.container.is_closed, f"{name} of a stream whose file is closed"
        return getattr(self.real, name)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.mpg", "v.h264", "joined.mpg"])
def test_a_stream_is_not_asked_when_its_file_is_closed(tmp_path, name, monkeypatch):
    def watched(path: str) -> tuple[WatchedContainer, WatchedStream]:
        real, stream = open_file(path)
        container = WatchedContainer(real)
        return container, WatchedStream(stream, container)

    codec = "mpeg2video" if name.endswith("mpg") else "libx264"
    path = write_numbered(tmp_path / name, range(20), codec=codec)
    if name.startswith("joined"):
        path.write_bytes(path.read_bytes() * 2)
    for module in (video_sources, video_file, frame_index):
        monkeypatch.setattr(module, "open_file", watched)
    frames = list(open_frames(path).frames())
    expected = list(range(20)) * (2 if name.startswith("joined") else 1)
    assert [number_of(frame.image) for frame in frames] == expected


@pytest.mark.parametrize("begin", [iter, VideoFile.frames], ids=["iter", "frames"])
def test_reading_on_in_a_closed_file_is_an_error_of_python(tmp_path, begin):
    with VideoFile(write_numbered(tmp_path / "v.mp4", range(20))) as video:
        frames = begin(video)
        next(frames)
    with pytest.raises(ValueError, match="closed"):
        next(frames)


def test_a_closed_file_tells_what_is_known_and_decodes_no_more(tmp_path):
    path = write_numbered(tmp_path / "v.mp4", range(20), aspect=Fraction(16, 15))
    with VideoFile(path) as video:
        video[0]
    assert [video.time(index) for index in range(3)] == pytest.approx([0, 0.04, 0.08])
    for read in (lambda: video[1], lambda: video[12], lambda: video.pixel_aspect, video.check):
        with pytest.raises(ValueError, match="closed"):
            read()


def test_threads_read_frames_of_one_file(tmp_path):
    path = write_numbered(tmp_path / "v.mp4", range(60))

    def read(index: int) -> int:
        return number_of(read_image(video_frame_name(str(path), index), "BGR"))

    indices = np.random.default_rng(0).integers(60, size=400).tolist()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(read, indices)) == indices


def test_sound_that_begins_later_than_ffmpeg_looks(tmp_path):
    """PyAV then ends with an IndexError."""
    for name, numbers in (("silent.mpg", range(20)), ("loud.mpg", range(20, 24))):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25, options={"g": "1", "qmin": "1"})
            stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
            stream.bit_rate = 10**8
            sound = container.add_stream("mp2", rate=48_000) if name == "loud.mpg" else None
            for number in numbers:
                noise = np.random.default_rng(number).integers(0, 256, (480, 640, 3), np.uint8)
                noise[:HEIGHT, :WIDTH] = numbered(number)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="bgr24")))
            if sound is not None:
                silence = np.zeros((1, 2 * 1152), np.int16)
                frame = av.AudioFrame.from_ndarray(silence, format="s16", layout="stereo")
                frame.sample_rate = 48_000
                container.mux(sound.encode(frame))
                container.mux(sound.encode())
            container.mux(stream.encode())
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(b"".join((tmp_path / n).read_bytes() for n in ("silent.mpg", "loud.mpg")))
    frames = open_frames(joined).frames()
    assert [number_of(frame.image) for frame in frames] == list(range(24))
