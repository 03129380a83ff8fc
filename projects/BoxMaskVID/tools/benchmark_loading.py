#!/usr/bin/env python3
"""Time and memory of the training loader on a generated JSON of the size of ImageNet VID."""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from detectron2.data import detection_utils

from boxmask_vid import get_config_file
from boxmask_vid.apps.dataset_tools.converters.coco_vid import CocoVidBuilder
from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import key_frames
from boxmask_vid.data import build_vid_train_loader, register_vid_instances
from boxmask_vid.engine import build_cfg
from boxmask_vid.files import write_json

VIDEOS, FRAMES = 3862, 1_122_397  # of ImageNet VID train
SIZE = (1280, 720)


def write_large_json(path: Path, frames: int) -> None:
    """Videos, key frames and boxes as many as ImageNet VID train has, for ``frames`` frames."""
    names = [f"class_{index}" for index in range(30)]
    categories = [{"id": index, "name": name} for index, name in enumerate(names, start=1)]
    builder = CocoVidBuilder({}, categories)
    for video, length in enumerate(
        np.diff(np.linspace(0, frames, VIDEOS + 1).astype(int)).tolist()
    ):
        name = f"train/ILSVRC2015_VID_train_{video % 4:04d}/ILSVRC2015_train_{video:08d}"
        video_id, keys = builder.add_video(name), set(key_frames(length))
        for frame in range(length):
            fields = {"file_name": f"{name}/{frame:06d}.JPEG", "is_vid_train_frame": frame in keys}
            image_id = builder.add_frame(video_id, frame, SIZE, **fields)
            for track in range(1 + video % 2 + (video % 9 == 0)):
                box = [10 + frame % 500, 20 * track, 300, 200]
                builder.add_box(image_id, names[video % 30], box, track=track, occluded=0)
    write_json(path, builder.content)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def own_and_shared_gib(process: int) -> tuple[float, float]:
    """Memory that only a process has, and that it shares."""
    rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    kib = {row.split(":")[0]: int(row.split()[1]) for row in rows}
    own, shared = (
        sum(kib[f"{kind}_{state}"] for state in ("Clean", "Dirty"))
        for kind in ("Private", "Shared")
    )
    return own / 2**20, shared / 2**20


def measure(path: Path, frames: int) -> None:
    """Build the loader and draw 20 batches; pixels are left out."""
    register_vid_instances("large", {}, str(path), str(path.parent))
    options = ["DATASETS.TRAIN", "('large',)", "DATALOADER.NUM_WORKERS", "2", "SEED", "1"]
    cfg = build_cfg(get_config_file("ImageNetVID/selsa_R_50_DC5_7e.yaml"), options)
    before, start = peak_gib(), time.perf_counter()
    loader = build_vid_train_loader(cfg)
    seconds = time.perf_counter() - start
    print(
        f"{frames} frames, {path.stat().st_size / 2**20:.0f} MiB of JSON: loader built in "
        f"{seconds:.1f} s, peak {peak_gib():.2f} GiB ({before:.2f} before)"
    )
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    detection_utils.read_image = lambda *_, **__: picture
    batches = iter(loader)
    for _ in range(20):
        next(batches)
    for child in multiprocessing.active_children():
        own, shared = own_and_shared_gib(child.pid)
        print(f"a loader worker has {own:.2f} GiB of its own and shares {shared:.2f} GiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help="default: as ImageNet VID train")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.json"
        writer = multiprocessing.Process(target=write_large_json, args=(file, args.frames))
        writer.start()  # in a process of its own: its memory is not the loader's
        writer.join()
        measure(file, args.frames)
