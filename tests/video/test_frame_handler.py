"""Frames of video files: exact, from any container, in data-loader workers."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from detectron2.data.detection_utils import read_image
from torch.utils.data import DataLoader

from boxmask_vid.data import load_vid_json
from boxmask_vid.data.video_frame_names import join_root, video_frame_name
from boxmask_vid.errors import InputError
from boxmask_vid.video import VideoFile

FRAMES, BITS, CELL = 60, 6, 16
KINDS = {
    "h264.mp4": ("libx264", {"bf": "3", "g": "25"}),
    "open_gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=16:bframes=3"}),
    "h264.ts": ("libx264", {"bf": "3", "g": "25"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2", "g": "12"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2", "g": "12"}),
    "mjpeg.avi": ("mjpeg", {}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "25"}),
    "hevc.mkv": ("libx265", {"x265-params": "log-level=none:keyint=25"}),
}


def numbered(index: int) -> np.ndarray:
    """A frame with its number in black and white cells."""
    frame = np.full((48, BITS * CELL, 3), 100, np.uint8)
    for bit in range(BITS):
        frame[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (index >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    middle = CELL // 2
    return sum(1 << bit for bit in range(BITS) if frame[middle, bit * CELL + middle].mean() > 127)


def write_video(path: Path, codec: str, options: dict, *, skip_times: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = BITS * CELL, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="bgr24")
            if skip_times:  # a variable frame rate
                frame.pts = index + index // 3
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return {name: write_video(folder / name, *KINDS[name]) for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_is_the_one_that_was_asked_for(videos, name):
    with VideoFile(videos[name]) as video:
        assert len(video) == FRAMES
        extracted = list(video)  # what the converter's --extract writes
        assert [number_of(frame) for frame in extracted] == list(range(FRAMES))
        order = np.random.default_rng(0).integers(FRAMES, size=40)
        for index in order.tolist():
            assert np.array_equal(video[index], extracted[index]), index
        video.check()
        assert number_of(video[0]) == 0


def test_a_variable_frame_rate(tmp_path):
    path = write_video(tmp_path / "v.mkv", "libx264", {"bf": "3"}, skip_times=True)
    with VideoFile(path) as video:
        assert [number_of(video[index]) for index in (59, 3, 4, 30, 0)] == [59, 3, 4, 30, 0]


def test_frames_are_the_pixels_that_opencv_decodes(videos):
    capture = cv2.VideoCapture(str(videos["h264.mp4"]))
    with VideoFile(videos["h264.mp4"]) as video:
        for frame in video:
            assert np.array_equal(frame, capture.read()[1])


def test_frames_open_like_images(videos):
    name = video_frame_name(str(videos["h264.mp4"]), 37)
    image = read_image(name, format="BGR")
    with VideoFile(videos["h264.mp4"]) as video:
        assert np.array_equal(image, video[37])
    assert join_root("a/b", video_frame_name("c.mp4", 3)) == "videoframe://a/b/c.mp4#3"
    assert join_root("a/b", "c.jpg") == "a/b/c.jpg"


class NumbersOfFrames(torch.utils.data.Dataset):
    """Reads frames of several videos as loader workers do."""

    def __init__(self, paths: list[Path]) -> None:
        self.names = [video_frame_name(str(p), i) for i in range(FRAMES) for p in paths]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> int:
        return number_of(read_image(self.names[index], format="BGR"))


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_loader_workers_read_while_the_parent_does(videos, start):
    dataset = NumbersOfFrames([videos["h264.mp4"], videos["mpeg4.avi"]])
    assert dataset[20] == 10  # the parent has the files open, in the middle
    workers = {"num_workers": 2, "multiprocessing_context": start, "timeout": 360}
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    loader = DataLoader(dataset, batch_size=None, sampler=order, **workers)
    for index, number in zip(order, loader, strict=True):
        assert number == index // 2
        assert dataset[index] == index // 2


def coco_vid(path: Path, frames: int) -> Path:
    content = {
        "categories": [{"id": 1, "name": "cat"}],
        "videos": [{"id": 1, "file_name": path.name}],
        "images": [
            {"id": i + 1, "video_id": 1, "frame_id": i, "width": 96, "height": 48}
            for i in range(frames)
        ],
        "annotations": [{"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 2, 30, 40]}],
    }
    written = path.with_suffix(".json")
    written.write_text(json.dumps(content))
    return written


def test_a_json_names_a_video_file(videos):
    path = videos["h264.mp4"]
    records = load_vid_json(str(coco_vid(path, FRAMES)), str(path.parent))
    assert records[7]["file_name"] == f"videoframe://{path}#7"
    assert number_of(read_image(records[7]["file_name"], format="BGR")) == 7


def test_an_image_without_file_name_and_video_file_gets_a_sentence(videos):
    path = coco_vid(videos["mpeg4.avi"], 3)
    content = json.loads(path.read_text())
    del content["videos"][0]["file_name"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"image 1 has no 'file_name': add it, or give its video"):
        load_vid_json(str(path), ".")


def test_pictures_are_turned_as_players_turn_them(videos, tmp_path):
    path = tmp_path / "turned.mp4"
    with av.open(str(videos["h264.mp4"])) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    data = path.read_bytes()  # the matrix of the track header: 90 degrees clockwise
    upright = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30], ">i4").tobytes()
    track = data.index(b"tkhd")
    place = data.index(upright, track)
    path.write_bytes(data[:place] + turned + data[place + len(turned) :])
    with VideoFile(path) as video, VideoFile(videos["h264.mp4"]) as original:
        assert np.array_equal(video[5], np.rot90(original[5], -1))


def no_video(path: Path) -> None:
    path.write_text("not a video")


def no_times(path: Path) -> None:
    write_video(path.with_suffix(".h264"), "libx264", {}).rename(path)


def sound_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_video, "is not a video that FFmpeg can read"),
        (no_times, "have no time stamps"),
        (sound_only, "has sound but no video"),
    ],
)
def test_files_that_are_not_videos_get_one_sentence(tmp_path, make, message):
    make(tmp_path / "v.mp4")
    with pytest.raises(InputError, match=message):
        VideoFile(tmp_path / "v.mp4")


def test_a_damaged_video_never_gives_another_frame(videos, tmp_path):
    data = bytearray(videos["mpeg4.avi"].read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged\.avi"), VideoFile(path) as video:
        video.check()


def test_missing_files_and_frames(videos, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Video file .* not found"):
        VideoFile(tmp_path / "none.mp4")
    with pytest.raises(OSError, match="has frames 0 to 59, not 60"):
        read_image(video_frame_name(str(videos["h264.mp4"]), 60))
