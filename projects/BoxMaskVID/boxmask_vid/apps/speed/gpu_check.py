"""A GPU compared with the CPU: the same detections? and how fast, with how much memory?"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
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
REFERENCES, FRAMES, CLIPS = 4, 3, 4
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
    columns = {
        name: check_model(get_config_file(CONFIG.format(name)), "cuda", tuple(args.size))
        for name in MODELS
    }
    print(table(columns))


def table(columns: dict[str, dict]) -> str:
    """Markdown of what :func:`check_model` has found, with a column for each model."""
    measures = next(iter(columns.values()))
    rows = [[name, *(column[name] for column in columns.values())] for name in measures]
    return tabulate(rows, headers=["", *columns], tablefmt="github", floatfmt=".3g")


def check_model(config_file: str, device: str, size: tuple[int, int], *opts: object) -> dict:
    """Compare a model with random weights on a device with itself on the CPU.

    Args:
        config_file: config of the model.
        device: e.g. "cuda".
        size: H, W of the frames.
        opts: keys and values of the config in turn.

    Returns:
        a column of the table: agreements, seconds of a frame and of a training step, and on a GPU
        the peak memory of each in GiB.
    """
    always = ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0, "MODEL.VID.TEST.NUM_REFERENCES", REFERENCES]
    models = []
    for place in ("cpu", device):
        torch.manual_seed(0)
        cfg = build_cfg(config_file, [*always, *opts, "MODEL.DEVICE", place])
        models.append(build_model(cfg).eval())
    on_cpu, model = models
    half = torch.bfloat16 if device == "cpu" else torch.float16
    expected, cpu_seconds = _detect(on_cpu, size)
    row: dict[str, object] = {"s / frame: CPU": cpu_seconds}
    for name, precision in (("float32", None), ("autocast", half)):
        with _peak_memory(device, row, f"GiB, frame: {name}"), _autocast(device, precision):
            found, row[f"s / frame: {device}, {name}"] = _detect(model, size)
        row[f"found, boxes, scores: {name}"] = str(agreement(expected, found))
    model.train()
    for clips in (1, CLIPS):
        for name, precision in (("float32", None), ("autocast", half)):
            step = f"step of {clips} clips: {name}"
            with _peak_memory(device, row, f"GiB, {step}"):
                row[f"s / {step}"] = _train(model, size, clips, precision)
    return row


def _autocast(device: str, precision: torch.dtype | None) -> AbstractContextManager:
    return nullcontext() if precision is None else torch.autocast(device, precision)


@contextmanager
def _peak_memory(device: str, row: dict[str, object], name: str) -> Iterator[None]:
    """Put the peak memory of what is done within into a row; a CPU has none."""
    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    yield
    if on_gpu:
        row[name] = torch.cuda.max_memory_allocated() / GIB


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


def _detect(model: GeneralizedRCNN, size: tuple[int, int]) -> tuple[list[Instances], float]:
    """Detections in frames of a video, and the seconds of one whose references are remembered."""
    found, seconds = [], []
    for index in range(FRAMES + 1):
        height, width = size
        sample = {"image": random_image(*size, index), "height": height, "width": width}
        if model.roi_heads.uses_references:
            sample |= {"video_id": 0, "frame_index": index}
            if index == 0:
                references = [random_image(*size, 100 + number) for number in range(REFERENCES)]
                sample["reference_images"] = references
        with torch.inference_mode():
            start = _now(model.device)
            (result,) = model([sample])
            seconds.append(_now(model.device) - start)
        found.append(result["instances"].to("cpu"))
    return found, median(seconds[1:])


def _train(
    model: GeneralizedRCNN, size: tuple[int, int], clips: int, precision: torch.dtype | None
) -> float:
    """Seconds of a training step, whose forward pass is under autocast with a precision."""
    batch = []
    for clip in range(clips):
        images = [random_image(*size, 10 * clip + number) for number in range(3)]
        batch.append({"image": images[0], "instances": random_truth(*size)})
        if model.roi_heads.uses_references:
            batch[-1]["reference_images"] = images[1:]

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with EventStorage():
            with _autocast(model.device.type, precision):
                losses = model(batch)
            torch.stack(list(losses.values())).sum().backward()

    return median(_timed(step, model.device) for _ in range(3))


def _timed(function: Callable[[], None], device: torch.device) -> float:
    start = _now(device)
    function()
    return _now(device) - start


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
