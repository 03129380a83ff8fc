"""What FFmpeg says of a stream is not asked for once the file is closed, as its memory is free."""

import av
import pytest

from boxmask_vid.video import frame_index, open_frames, video_file, video_sources
from boxmask_vid.video.opening import open_file
from support.numbered_videos import number_of, write_numbered


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
