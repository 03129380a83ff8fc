"""Speed of reading frames of video files, in place, beside JPEG files; and wrong frames."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
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

    Args:
        folder: place for the files.
        frames: number of frames; at most 2 ** BITS.
        rounds: how often each file is read.
    """
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # it complains about each of its wrong frames
    write_files(folder, frames)
    orders: dict[str, Sequence[int]] = {
        "in order": range(frames),
        "anywhere": np.random.default_rng(1).integers(frames, size=PICKS).tolist(),
    }
    rows = measure_readers(readers(folder), orders, rounds)
    headers = ["file", "reader", *(name for order in orders for name in (f"ms {order}", "wrong"))]
    size = f"{WIDTH} x {HEIGHT}"
    print(f"{frames} frames of {size}; median of {rounds} rounds; {PICKS} frames anywhere")
    print(tabulate(rows, headers=headers))


def write_files(folder: Path, frames: int) -> None:
    """Write the same frames as JPEG files and as each of ``FILES``."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (HEIGHT + frames, WIDTH + 2 * frames, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    scene = cv2.normalize(blurred, np.empty_like(blurred), 0, 255, cv2.NORM_MINMAX)
    for index in range(frames):
        cv2.imwrite(str(_jpeg(folder, index)), numbered_frame(scene, index))
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


def readers(folder: Path) -> Mapping[tuple[str, str], Callable[[], Reader]]:
    """Functions that open a file, by file and name of the reader."""
    result = {("JPEG files", ""): functools.partial(_jpeg_files, folder)}
    for name in FILES:
        for reader, open_file in (("in place", _in_place), ("PyAV", _pyav), ("OpenCV", _opencv)):
            result[name, reader] = functools.partial(open_file, folder / name)
    return result


def measure_readers(
    openers: Mapping[tuple[str, str], Callable[[], Reader]],
    orders: Mapping[str, Sequence[int]],
    rounds: int,
) -> list[list[object]]:
    """Read all files in turn.

    Returns:
        a row for each reader: file, name, and for each order milliseconds a frame (the median of
        the rounds) and the number of wrong frames.
    """
    results: dict[tuple, list[tuple[float, int]]] = {}
    for _ in range(rounds):
        for key, open_file in openers.items():
            for order, indices in orders.items():
                results.setdefault((key, order), []).append(measure(open_file(), indices))
    rows = []
    for key in openers:
        row: list[object] = [*key]
        for order in orders:
            measured = results[key, order]
            row += [f"{median(time for time, _ in measured):.1f}", measured[0][1]]
        rows.append(row)
    return rows


def measure(read: Reader, indices: Sequence[int]) -> tuple[float, int]:
    """Milliseconds a frame, and the number of frames that were not the requested ones."""
    start = time.perf_counter()
    numbers = [number_of(read(index)) for index in indices]
    seconds = time.perf_counter() - start
    wrong = sum(number != index for number, index in zip(numbers, indices, strict=True))
    return 1e3 * seconds / len(indices), wrong


def _jpeg(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.jpg"


def _jpeg_files(folder: Path) -> Reader:
    return lambda index: read_image(_jpeg(folder, index), "BGR")


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
