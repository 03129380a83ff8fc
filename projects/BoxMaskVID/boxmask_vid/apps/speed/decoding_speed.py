"""Speed of reading frames of video files, in place, beside JPEG files; and wrong frames."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from detectron2.data.detection_utils import read_image
from tabulate import tabulate

from ...data.video_frame_names import video_frame_name
from ...video import VideoFile

FRAMES, PICKS, ROUNDS = 200, 30, 3
WIDTH, HEIGHT = 640, 360
BITS, CELL = 8, 32
FILES: dict[str, tuple[str, dict[str, str]]] = {  # codec and its options
    "h264.mp4": ("libx264", {}),
    "h264.ts": ("libx264", {}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
}
Reader = Callable[[int], np.ndarray]  # of a frame's number


def run_benchmark(folder: Path, *, frames: int = FRAMES, rounds: int = ROUNDS) -> None:
    """Write frames as video and JPEG files, read them in turn, and print a table.

    There are at most 2 ** BITS frames; each file is read ``rounds`` times.
    """
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # it complains about each of its wrong frames
    write_files(folder, frames)
    openers = {("JPEG files", ""): functools.partial(_jpeg_files, folder)}
    for name in FILES:
        for reader, open_file in (("in place", _in_place), ("PyAV", _pyav), ("OpenCV", _opencv)):
            openers[name, reader] = functools.partial(open_file, folder / name)
    anywhere = np.random.default_rng(1).integers(frames, size=PICKS).tolist()
    results: dict[tuple[str, str], list[tuple[float, ...]]] = {key: [] for key in openers}
    for _ in range(rounds):
        for key, open_file in openers.items():
            in_order = measure(open_file(), range(frames))
            results[key].append((*in_order, *measure(open_file(), anywhere)))
    rows = []
    for key, measured in results.items():
        times, _, times_anywhere, _ = zip(*measured, strict=True)
        _, wrong, _, wrong_anywhere = measured[0]
        rows.append([*key, median(times), wrong, median(times_anywhere), wrong_anywhere])
    size = f"{WIDTH} x {HEIGHT}"
    print(f"{frames} frames of {size}; median of {rounds} rounds; {PICKS} frames anywhere")
    header = ["file", "reader", "ms in order", "wrong", "ms anywhere", "wrong"]
    print(tabulate(rows, header, floatfmt=".1f"))


def write_files(folder: Path, frames: int) -> None:
    """Write the same frames as JPEG files and as each of ``FILES``."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT + frames, WIDTH + 2 * frames, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    scene = cv2.normalize(blurred, np.empty_like(blurred), 0, 255, cv2.NORM_MINMAX)
    for index in range(frames):
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), numbered_frame(scene, index))
    for name, (codec, options) in FILES.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.bit_rate = 2_000_000
            for index in range(frames):
                picture = av.VideoFrame.from_ndarray(numbered_frame(scene, index), format="bgr24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())


def numbered_frame(scene: np.ndarray, index: int) -> np.ndarray:
    """A piece of a moving scene with its number in black and white cells."""
    picture = scene[index : index + HEIGHT, 2 * index : 2 * index + WIDTH].copy()
    for bit in range(BITS):
        picture[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (index >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number that is in a picture."""
    cells = range(CELL // 2, BITS * CELL, CELL)
    return sum(1 << bit for bit, x in enumerate(cells) if picture[CELL // 2, x].mean() > 127)


def measure(read: Reader, indices: Sequence[int]) -> tuple[float, int]:
    """Milliseconds a frame, and the number of frames that were not the requested ones."""
    start = time.perf_counter()
    numbers = [number_of(read(index)) for index in indices]
    seconds = time.perf_counter() - start
    wrong = sum(number != index for number, index in zip(numbers, indices, strict=True))
    return 1e3 * seconds / len(indices), wrong


def _jpeg_files(folder: Path) -> Reader:
    return lambda index: read_image(folder / f"{index:06d}.jpg", "BGR")


def _in_place(path: Path) -> Reader:
    return lambda index: read_image(video_frame_name(str(path), index), "BGR")


def _pyav(path: Path) -> Reader:
    return VideoFile(path).__getitem__


def _opencv(path: Path) -> Reader:
    capture = cv2.VideoCapture(str(path))

    def read(index: int) -> np.ndarray:
        if capture.get(cv2.CAP_PROP_POS_FRAMES) != index:
            capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        decoded, picture = capture.read()
        return picture if decoded else np.zeros((CELL, BITS * CELL, 3), np.uint8)

    return read
