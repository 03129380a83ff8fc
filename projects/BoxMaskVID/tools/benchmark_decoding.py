#!/usr/bin/env python3
"""Frames read from video files, in place, beside JPEG files: rates, and frames that were wrong."""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from detectron2.data.detection_utils import read_image
from tabulate import tabulate

from boxmask_vid.data.video_frame_names import video_frame_name
from boxmask_vid.video import VideoFile

FRAMES, PICKS, ROUNDS = 200, 30, 3
BITS, CELL = 8, 32
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # it complains of each of its wrong frames
FILES = {
    "h264.mp4": ("libx264", {}),
    "h264.ts": ("libx264", {}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
}


def frame(scene: np.ndarray, index: int) -> np.ndarray:
    """A piece of a moving scene with its number in black and white cells."""
    picture = scene[index : index + 360, 2 * index : 2 * index + 640].copy()
    for bit in range(BITS):
        picture[:CELL, bit * CELL : (bit + 1) * CELL] = 255 * (index >> bit & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    cells = range(CELL // 2, BITS * CELL, CELL)
    return sum(1 << bit for bit, x in enumerate(cells) if picture[CELL // 2, x].mean() > 127)


def write(folder: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (360 + FRAMES, 640 + 2 * FRAMES, 3)).astype(np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f"{index:06d}.jpg"), frame(scene, index))
    for name, (codec, options) in FILES.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
            stream.bit_rate = 2_000_000
            for index in range(FRAMES):
                picture = av.VideoFrame.from_ndarray(frame(scene, index), format="bgr24")
                container.mux(stream.encode(picture))
            container.mux(stream.encode())


def measure(read: Callable[[int], np.ndarray], order: Sequence[int]) -> tuple[float, int]:
    """Milliseconds a frame, and how many were not those that were asked for."""
    start = time.perf_counter()
    numbers = [number_of(read(index)) for index in order]
    seconds = time.perf_counter() - start
    return 1e3 * seconds / len(order), sum(a != b for a, b in zip(numbers, order, strict=True))


def opencv_reader(path: Path) -> Callable[[int], np.ndarray]:
    capture = cv2.VideoCapture(str(path))

    def read(index: int) -> np.ndarray:
        if capture.get(cv2.CAP_PROP_POS_FRAMES) != index:
            capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        decoded, picture = capture.read()
        return picture if decoded else np.zeros((CELL, BITS * CELL, 3), np.uint8)

    return read


def main(folder: Path) -> None:
    write(folder)
    orders = {
        "in order": range(FRAMES),
        "anywhere": np.random.default_rng(1).integers(FRAMES, size=PICKS).tolist(),
    }
    readers = {("JPEG files", ""): lambda: lambda i: read_image(folder / f"{i:06d}.jpg", "BGR")}
    for name in FILES:
        path = folder / name
        readers[name, "in place"] = lambda path=path: (
            lambda i: read_image(video_frame_name(str(path), i), "BGR")
        )
        readers[name, "PyAV"] = lambda path=path: VideoFile(path).__getitem__
        readers[name, "OpenCV"] = lambda path=path: opencv_reader(path)
    results = {key: {order: [] for order in orders} for key in readers}
    for _ in range(ROUNDS):  # in turn
        for key, make in readers.items():
            for order, indices in orders.items():
                results[key][order].append(measure(make(), indices))
    rows = []
    for (name, reader), measured in results.items():
        row = [name, reader]
        for order in orders:
            milliseconds = statistics.median(each for each, _ in measured[order])
            row += [f"{milliseconds:.1f}", measured[order][0][1]]
        rows.append(row)
    headers = ["file", "reader", "ms in order", "wrong", "ms anywhere", "wrong"]
    print(f"{FRAMES} frames of 640 x 360; median of {ROUNDS} rounds; {PICKS} frames anywhere")
    print(tabulate(rows, headers=headers))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(temporary))
