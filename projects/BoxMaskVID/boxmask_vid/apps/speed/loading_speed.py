"""Time and memory of the training loader on a generated JSON of the size of ImageNet VID."""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from detectron2.data import detection_utils

from ...config import get_config_file
from ...data import build_vid_train_loader, register_vid_instances
from ...engine import build_cfg
from ...files import write_json
from ..dataset_tools import CocoVidBuilder, key_frames
from .cost import GIB, peak_bytes

VIDEOS, FRAMES = 3862, 1_122_397  # of ImageNet VID train
SIZE = (1280, 720)
BATCHES = 20


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/benchmark_loading.py``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help="default: as ImageNet VID train")
    return parser


def run_benchmark(args: argparse.Namespace) -> None:
    """Write the JSON, build the loader, draw batches, and print time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.json"
        writer = multiprocessing.Process(target=write_large_json, args=(path, args.frames))
        writer.start()  # in a process of its own: its memory is not the loader's
        writer.join()
        measure(path, args.frames)


def write_large_json(path: Path, frames: int) -> None:
    """Write ``frames`` frames with as many videos, key frames and boxes as ImageNet VID train."""
    names = [f"class_{index}" for index in range(30)]
    categories = [{"id": index, "name": name} for index, name in enumerate(names, start=1)]
    builder = CocoVidBuilder({}, categories)
    lengths = np.diff(np.linspace(0, frames, VIDEOS + 1).astype(int)).tolist()
    for video, length in enumerate(lengths):
        name = f"train/ILSVRC2015_VID_train_{video % 4:04d}/ILSVRC2015_train_{video:08d}"
        video_id, keys = builder.add_video(name), set(key_frames(length))
        for frame in range(length):
            fields = {"file_name": f"{name}/{frame:06d}.JPEG", "is_vid_train_frame": frame in keys}
            image_id = builder.add_frame(video_id, frame, SIZE, **fields)
            for track in range(1 + video % 2 + (video % 9 == 0)):
                box = [10 + frame % 500, 20 * track, 300, 200]
                builder.add_box(image_id, names[video % 30], box, track=track, occluded=0)
    write_json(path, builder.content)


def measure(path: Path, frames: int) -> None:
    """Build the loader and draw batches, without reading pixels; print time and memory."""
    register_vid_instances("large", {}, str(path), str(path.parent))
    options = ["DATASETS.TRAIN", "('large',)", "DATALOADER.NUM_WORKERS", "2", "SEED", "1"]
    cfg = build_cfg(get_config_file("ImageNetVID/selsa_R_50_DC5_7e.yaml"), options)
    before, start = peak_bytes() / GIB, time.perf_counter()
    loader = build_vid_train_loader(cfg)
    seconds = time.perf_counter() - start
    print(
        f"{frames} frames, {path.stat().st_size / 2**20:.0f} MiB of JSON: loader built in "
        f"{seconds:.1f} s, peak {peak_bytes() / GIB:.2f} GiB ({before:.2f} before)"
    )
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    detection_utils.read_image = lambda *_, **__: picture
    batches = iter(loader)
    for _ in range(BATCHES):
        next(batches)
    for worker in multiprocessing.active_children():
        assert worker.pid is not None
        own, shared = own_and_shared_gib(worker.pid)
        print(f"a loader worker has {own:.2f} GiB of its own and shares {shared:.2f} GiB")


def own_and_shared_gib(process: int) -> tuple[float, float]:
    """Memory that a process has alone, and memory that it shares with others."""
    rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kib = {row.split(":")[0]: int(row.split()[1]) for row in rows}
    own, shared = (
        sum(kib[f"{kind}_{state}"] for state in ("Clean", "Dirty"))
        for kind in ("Private", "Shared")
    )
    return own / 2**20, shared / 2**20
