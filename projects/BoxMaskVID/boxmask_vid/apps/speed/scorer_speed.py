"""Time and memory of the scorers on random data of the size of ImageNet VID val."""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ...evaluation.detection_file import read_detections, write_detections
from ...evaluation.detections import Detections
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.scores import DRAWS, SCORERS, score
from ...files import write_json

VIDEOS, FRAMES, BOXES = 555, 176_126, 273_505  # of ImageNet VID val
CLASSES = 30
WIDTH, HEIGHT = 1280, 720


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/benchmark_scorers.py``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder for the data (2 GB)")
    parser.add_argument("--share", type=float, default=1, help="share of ImageNet VID val's size")
    parser.add_argument("--per-frame", type=int, default=100, help="detections of a frame")
    parser.add_argument(
        "--pycocotools", action="store_true", help="run pycocotools instead of our own scorers"
    )
    return parser


def run_benchmark(args: argparse.Namespace) -> None:
    """Write random data, and print seconds and memory of scoring them."""
    videos, frames, boxes = (round(count * args.share) for count in (VIDEOS, FRAMES, BOXES))
    counts = {"videos": max(1, videos), "frames": frames, "boxes": boxes}
    write_random_data(args.folder, **counts, per_frame=args.per_frame)
    print(f"{frames} frames, {args.per_frame} detections each; seconds, peak memory in GB")
    if args.pycocotools:
        _print_values("pycocotools", measure(run_pycocotools, args.folder))
        return
    for draws in (0, DRAWS):
        _print_values(f"own, {draws} draws", measure(run_scorers, args.folder, draws))


def random_ground_truth(videos: int, frames: int, boxes: int, seed: int = 0) -> GroundTruth:
    """Tracks that wander through videos.

    ``frames`` and ``boxes`` count those of all videos together; there are at most 3 times as many
    boxes as frames.
    """
    rng = np.random.default_rng(seed)
    lengths = np.full(videos, frames // videos)
    lengths[: frames % videos] += 1
    image_videos = np.repeat(np.arange(videos), lengths)
    image_frames = np.arange(frames) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.sort(rng.choice(3 * frames, boxes, replace=False))  # three tracks in each video
    images, tracks = rows // 3, rows % 3
    objects = image_videos[images] * 3 + tracks
    start = rng.uniform(0, 0.6, (3 * videos, 2)) * (WIDTH, HEIGHT)
    size = rng.uniform(30, 400, (3 * videos, 2))
    speed = rng.normal(0, 1, (3 * videos, 2)) * rng.choice([0.3, 3, 12], (3 * videos, 1))
    corner = start[objects] + speed[objects] * image_frames[images][:, None] % (WIDTH / 3)
    corner = np.clip(corner + rng.normal(0, 1, corner.shape), 0, (WIDTH, HEIGHT) - size[objects])
    places = np.concatenate([corner, size[objects]], axis=1).round()
    return GroundTruth(
        category_ids=np.arange(1, CLASSES + 1),
        class_names=tuple(f"class_{number}" for number in range(CLASSES)),
        image_ids=np.arange(1, frames + 1),
        image_videos=image_videos,
        image_frames=image_frames,
        image_sizes=np.full((frames, 2), (HEIGHT, WIDTH)),
        video_ids=np.arange(1, videos + 1),
        ids=np.arange(1, boxes + 1),
        images=images,
        classes=rng.integers(0, CLASSES, 3 * videos)[objects],
        tracks=tracks,
        boxes=places,
        areas=places[:, 2] * places[:, 3],
        is_crowd=np.zeros(boxes, dtype=bool),
        occluded=np.full(boxes, -1),
    )


def random_detections(
    ground_truth: GroundTruth, per_frame: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Detections like a detector's: half around objects (a third of those with a wrong class).

    Returns images, classes, scores, boxes, ordered by image; see :meth:`Detections.ordered`.
    """
    rng = np.random.default_rng(seed)
    frames = len(ground_truth.image_ids)
    images = np.repeat(np.arange(frames, dtype=np.int32), per_frame)
    count = len(images)
    classes = rng.integers(0, CLASSES, count).astype(np.int16)
    boxes = rng.uniform(10, 400, (count, 4))
    boxes[:, :2] *= (2, 1)
    scores = rng.uniform(1e-4, 0.5, count) ** 2
    ends = np.cumsum(np.bincount(ground_truth.images, minlength=frames))
    truths = np.maximum(ends, 1)[images] - 1 - rng.integers(0, 2, count)
    near = (ground_truth.images[truths] == images) & (rng.random(count) < 0.5)
    target = ground_truth.boxes[truths[near]]
    noise = rng.normal(0, 1, target.shape) * rng.uniform(0.02, 0.4, (len(target), 1))
    boxes[near] = target + noise * np.tile(target[:, 2:], 2)
    boxes[:, :2] = np.clip(boxes[:, :2], 0, (WIDTH - 2, HEIGHT - 2))
    boxes[:, 2:] = np.clip(boxes[:, 2:], 2, (WIDTH, HEIGHT) - boxes[:, :2])
    scores[near] = np.clip(rng.normal(0.9, 0.1, len(target)) - np.abs(noise).sum(axis=1), 1e-4, 1)
    right = rng.random(len(target)) < 2 / 3
    classes[near] = np.where(right, ground_truth.classes[truths[near]], classes[near])
    return images, classes, scores.round(6), boxes.round(2)


def write_random_data(
    folder: Path, *, videos: int, frames: int, boxes: int, per_frame: int
) -> None:
    """Write ``gt.json`` and ``detections.json`` of random data."""
    truth = random_ground_truth(videos, frames, boxes)
    write_json(folder / "gt.json", coco_vid(truth))
    detections = Detections.ordered(*random_detections(truth, per_frame))
    write_detections(folder / "detections.json", detections, truth)


def coco_vid(truth: GroundTruth) -> dict:
    """Content of a COCO-VID JSON."""
    frames = {
        "id": truth.image_ids,
        "video_id": truth.video_ids[truth.image_videos],
        "frame_id": truth.image_frames,
    }
    boxes = {
        "id": truth.ids,
        "image_id": truth.image_ids[truth.images],
        "category_id": truth.category_ids[truth.classes],
        "instance_id": truth.tracks,
        "area": truth.areas,
        "iscrowd": truth.is_crowd.astype(int),
        "bbox": truth.boxes,
    }
    names = zip(truth.category_ids.tolist(), truth.class_names, strict=True)
    size = {"height": HEIGHT, "width": WIDTH, "file_name": "none.jpg"}
    return {
        "categories": [{"id": number, "name": name} for number, name in names],
        "videos": [{"id": number, "name": str(number)} for number in truth.video_ids.tolist()],
        "images": [size | record for record in _records(frames)],
        "annotations": _records(boxes),
    }


def measure(function: Callable[..., dict], *args: object) -> dict:
    """Result of a function, with the peak memory (``GB``) of a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_with_memory, function, *args).result()


def run_scorers(folder: Path, draws: int) -> dict[str, float]:
    """Seconds of reading and of each scorer, with a number of draws of videos."""
    start = time.perf_counter()
    truth = GroundTruth.read(str(folder / "gt.json"))
    detections = read_detections(folder / "detections.json", truth)
    seconds = {"reading": time.perf_counter() - start}
    for scorer in SCORERS:
        start = time.perf_counter()
        score(truth, detections, scorers=[scorer], draws=draws)
        seconds[scorer] = time.perf_counter() - start
    return seconds


def run_pycocotools(folder: Path) -> dict[str, float]:
    """Seconds of reading and of scoring with pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        truth = COCO(str(folder / "gt.json"))
        detections = truth.loadRes(str(folder / "detections.json"))
        read = time.perf_counter()
        evaluation = COCOeval(truth, detections, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        return {"reading": read - start, "coco": time.perf_counter() - read}


def _records(columns: dict[str, np.ndarray]) -> list[dict]:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _print_values(name: str, values: dict[str, float]) -> None:
    print(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in values.items()))


def _with_memory(function: Callable[..., dict], *args: object) -> dict:
    result = function(*args)
    return {**result, "GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}
