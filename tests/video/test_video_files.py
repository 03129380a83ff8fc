import cv2
import numpy as np
import pytest

from boxmask_vid.errors import BadInput
from boxmask_vid.video import VideoWriter, open_frames


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


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "deeper/v.mp4"
    with VideoWriter(path, 10) as writer:
        writer.write(frames(1)[0])
        assert not path.exists()
    assert open_frames(path).length == 1
    assert [each.name for each in path.parent.iterdir()] == ["v.mp4"]


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


def test_frames_of_another_size_are_refused(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", 10) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(BadInput, match="a frame of 32 x 48 pixels follows frames of 64 x 48"):
            writer.write(np.zeros((48, 32, 3), np.uint8))


def test_what_is_no_video(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no video file or image folder"):
        open_frames(tmp_path / "none.mp4")
    with pytest.raises(BadInput, match="has no images"):
        open_frames(tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    with pytest.raises(BadInput, match=r"text\.mp4 is no video that FFmpeg can read"):
        open_frames(text)
