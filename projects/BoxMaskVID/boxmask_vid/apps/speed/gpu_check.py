"""A GPU compared with the CPU: the same detections? and how fast, with how much memory?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from detectron2.modeling import build_model
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.structures import Instances
from detectron2.utils.events import EventStorage
from tabulate import tabulate

from ...config import get_config_file
from ...engine import build_cfg
from .cost import GIB
from .samples import random_image, random_truth

MODELS = ("faster_rcnn", "selsa", "selsa_troi", "boxmask_selsa_troi")
CONFIG = "ImageNetVID/{}_R_50_DC5_7e.yaml"
REFERENCES, FRAMES = 4, 3
AT_ONCE = 4  # frames of a video, and clips of a training step
SAME_PIXELS = 2.0  # a box that is farther away than this is another detection


@dataclass(frozen=True)
class Agreement:
    """Detections of one device among those of another.

    Attributes:
        found: share of them that is there, too: of the same class, within ``SAME_PIXELS``.
        pixels, score: largest differences of those.
    """

    found: float
    pixels: float
    score: float

    def __str__(self) -> str:
        return f"{self.found:.1%}, {self.pixels:.2g} px, {self.score:.1g}"


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/check_gpu.py``."""
    parser = argparse.ArgumentParser(
        description="Compare a GPU with the CPU, for each kind of model with random weights: "
        "detections in float32 and with autocast, time and memory of frames and training steps."
    )
    parser.add_argument("--size", type=int, nargs=2, default=(360, 600), metavar=("H", "W"))
    return parser


def run(args: argparse.Namespace) -> None:
    """Print a table for the first GPU; without one, say so."""
    if not torch.cuda.is_available():
        print("PyTorch finds no GPU here: nothing to compare with the CPU.")
        return
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    # else float32 has the 10 bits of TF32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    columns = {}
    for name in MODELS:
        config_file = get_config_file(CONFIG.format(name))
        columns[name] = check_model(config_file, "cuda", tuple(args.size))
    measures = columns[MODELS[0]]
    rows = [
        [measure, *(_text(column[measure]) for column in columns.values())] for measure in measures
    ]
    print(tabulate(rows, headers=["", *columns], tablefmt="github", disable_numparse=True))


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


def check_model(config_file: str, device: str, size: tuple[int, int], *opts: object) -> dict:
    """Compare a model with random weights on a device with itself on the CPU.

    Args:
        config_file: config of the model.
        device: e.g. "cuda".
        size: H, W of the frames.
        opts: keys and values of the config in turn.

    Returns:
        a column of the table: agreements, seconds of a frame and of a training step in float32 and
        with autocast, alone and several at once, and peaks of memory in GiB (0 on a CPU).
    """
    always = ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0, "MODEL.VID.TEST.NUM_REFERENCES", REFERENCES]
    on_cpu, model = (
        _build(config_file, place, [*always, *opts, "MODEL.DEVICE", place])
        for place in ("cpu", device)
    )
    expected, cpu_seconds = _detect(on_cpu, size)
    row: dict[str, str | float] = {"CPU, s / frame": cpu_seconds}
    half = torch.bfloat16 if device == "cpu" else torch.float16
    for precision in ("float32", "autocast"):
        within = partial(torch.autocast, device, half, enabled=precision == "autocast")
        model.eval()
        with _Peak(model) as peak, within():
            found, seconds = _detect(model, size)
        row[f"{precision}: found, boxes, scores"] = str(agreement(expected, found))
        row[f"{precision}, s / frame"] = seconds
        row[f"{precision}, GiB"] = peak.gib
        with _Peak(model) as peak, within():
            _, seconds = _detect(model, size, at_once=AT_ONCE)
        row[f"{precision}, s / {AT_ONCE} frames"] = seconds
        row[f"{precision}, GiB, {AT_ONCE} frames"] = peak.gib
        model.train()
        for clips in (1, AT_ONCE):
            with _Peak(model) as peak:
                seconds = _train(model, size, clips, within)
            row[f"{precision}, s / step of {clips} clips"] = seconds
            row[f"{precision}, GiB, {clips} clips"] = peak.gib
    return row


def _build(config_file: str, device: str, opts: list) -> GeneralizedRCNN:
    """A model with random weights, the same on each device."""
    torch.manual_seed(0)
    return build_model(build_cfg(config_file, opts)).eval()


class _Peak:
    """Most memory of tensors on a GPU in a block of code."""

    gib = 0.0

    def __init__(self, model: GeneralizedRCNN) -> None:
        self._on_gpu = model.device.type == "cuda"

    def __enter__(self) -> _Peak:
        if self._on_gpu:
            torch.cuda.reset_peak_memory_stats()
        return self

    def __exit__(self, *error: object) -> None:
        if self._on_gpu:
            self.gib = torch.cuda.max_memory_allocated() / GIB


def agreement(expected: Sequence[Instances], found: Sequence[Instances]) -> Agreement:
    """Compare detections frame by frame, whatever their order; the instances are on the CPU."""
    count = sum(map(len, expected))
    if not count:
        return Agreement(1.0 if not sum(map(len, found)) else 0.0, 0.0, 0.0)
    pixels, scores = [torch.zeros(0)], [torch.zeros(0)]
    for first, second in zip(expected, found, strict=True):
        if not (len(first) and len(second)):
            continue
        distance = torch.cdist(first.pred_boxes.tensor, second.pred_boxes.tensor, p=torch.inf)
        distance[first.pred_classes[:, None] != second.pred_classes] = torch.inf
        nearest, other = distance.min(dim=1)
        same = nearest <= SAME_PIXELS
        pixels.append(nearest[same])
        scores.append((first.scores - second.scores[other]).abs()[same])
    near, difference = torch.cat(pixels), torch.cat(scores)
    if not len(near):
        return Agreement(0.0, 0.0, 0.0)
    return Agreement(len(near) / count, near.max().item(), difference.max().item())


def _detect(
    model: GeneralizedRCNN, size: tuple[int, int], at_once: int = 1
) -> tuple[list[Instances], float]:
    """Detections in frames of a video, and the seconds of those whose references are remembered."""
    found, seconds = [], []
    height, width = size
    for first in range(0, (FRAMES + 1) * at_once, at_once):
        batch: list[dict] = []
        for index in range(first, first + at_once):
            sample = {"image": random_image(*size, index), "height": height, "width": width}
            if model.roi_heads.uses_references:
                sample |= {"video_id": 0, "frame_index": index}
                if index == 0:
                    references = [random_image(*size, 100 + number) for number in range(REFERENCES)]
                    sample["reference_images"] = references
            batch.append(sample)
        with torch.inference_mode():
            start = _now(model.device)
            results = model(batch)
            seconds.append(_now(model.device) - start)
        found += [result["instances"].to("cpu") for result in results]
    model.reference_memory.retain([])
    return found, median(seconds[1:])


def _train(
    model: GeneralizedRCNN,
    size: tuple[int, int],
    clips: int,
    within: Callable[[], AbstractContextManager],
) -> float:
    """Seconds of a training step whose forward pass is within a context."""
    batch = []
    for clip in range(clips):
        images = [random_image(*size, 10 * clip + number) for number in range(3)]
        batch.append({"image": images[0], "instances": random_truth(*size)})
        if model.roi_heads.uses_references:
            batch[-1]["reference_images"] = images[1:]

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with EventStorage(), within():
            loss = sum(model(batch).values())
        loss.backward()

    return median(_timed(step, model.device) for _ in range(3))


def _timed(function: Callable[[], None], device: torch.device) -> float:
    start = _now(device)
    function()
    return _now(device) - start


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
