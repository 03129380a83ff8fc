"""Speed and memory of a model, beside the formulation of the papers and a single-frame detector.

Each side runs in a process of its own, so that each has its own peak of memory; they take turns
frame by frame, so that all meet the same state of the machine.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.modeling.meta_arch import GeneralizedRCNN
from detectron2.utils.events import EventStorage
from tabulate import tabulate

from ...engine import add_model_options, build_cfg
from ...files import write_json
from ...imports import ignore_library_warnings
from ...modeling.fast import restore
from ...precision import HALVES, check_precision
from ...progress import progress
from .cost import GIB, CostCounter, peak_bytes
from .other_detectors import check_names, work_beside
from .samples import random_image, random_truth
from .stopwatch import Stopwatch
from .video_speed import time_videos


@dataclass(frozen=True)
class ModelSpeedOptions:
    """Options of a comparison; :func:`argument_parser` explains them."""

    config_file: str | None
    model: str | None = None
    opts: Sequence[str] = ()
    paper: bool = True
    training: bool = False
    clips: int = 1
    frames: int = 5
    warm_up: int = 2
    size: Sequence[int] = (600, 1000)
    threads: int = 2
    without: Sequence[str] = ()
    precision: Sequence[str] = ()
    beside: Sequence[str] = ()
    video: float = 0


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/benchmark.py``."""
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="file for all numbers")
    parser.add_argument(
        "--paper",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare with the formulation of the papers, which is slow; without it the ratios to "
        "it are null",
    )
    parser.add_argument("--training", action="store_true", help="time training steps, not frames")
    parser.add_argument("--clips", type=int, default=1, help="clips in a training step")
    parser.add_argument("--frames", type=int, default=5, help="frames timed after the warm-up")
    parser.add_argument("--warm-up", type=int, default=2, help="frames or steps before that")
    parser.add_argument("--size", type=int, nargs=2, default=(600, 1000), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of each process")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="CLASS",
        help="fast module to leave out in a side of its own, to see what it saves; may be repeated",
    )
    add = parser.add_argument
    add(
        "--precision",
        nargs="+",
        default=[],
        choices=HALVES,
        metavar="PRECISION",
        help=f"precisions of further sides, some of {', '.join(HALVES)}",
    )
    add("--beside", nargs="+", default=[], metavar="NAME", help="detectors of torchvision")
    add("--video", type=float, default=0, metavar="S", help="run 'detect' on S seconds of video")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE pairs of the config")
    return parser


def run(args: argparse.Namespace) -> None:
    """Measure, print a table and write ``args.output``.

    Raises:
        FileNotFoundError: if the config file does not exist.
        InputError: if the model does not exist, or the output cannot be written.
    """
    fields = vars(args).copy()
    output = fields.pop("output")
    report = compare_models(ModelSpeedOptions(**fields))
    print(_table(report))
    if output:
        write_json(output, report)
        print(f"{output}: written")


def compare_models(options: ModelSpeedOptions) -> dict:
    """Run the model, the formulation of the papers and a single-frame detector in turn.

    Returns:
        ``speedup``, ``memory_ratio``, ``vs_single_frame``, ``first_frame_speedup`` (null in
        training), ``stages`` with seconds per frame, ``video`` (of
        :func:`~boxmask_vid.apps.speed.video_speed.time_videos`, null without it), and for each of
        ``ours``, ``paper``, ``single_frame``, the modules to leave out, the precisions and other
        detectors seconds, memory, FLOPs and bytes.
    """
    check_names(options.beside)
    for precision in options.precision:
        check_precision(precision, _config("ours", options).MODEL.DEVICE)
    names = ["ours", *(["paper"] if options.paper else []), "single_frame"]
    names += [*options.without, *options.precision, *options.beside]
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in names:
        pipes[name], other_end = context.Pipe()
        context.Process(target=_work_on, args=(other_end, name, options), daemon=True).start()
    rounds = range(options.warm_up + options.frames)
    laps: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for index in progress(rounds, total=len(rounds), what="round"):
        for name, pipe in pipes.items():
            pipe.send(index)
            laps[name].append(pipe.recv())
    sides = {}
    for name, pipe in pipes.items():
        pipe.send(None)
        sides[name] = {**_summary(laps[name], options.warm_up), **pipe.recv()}
    report = _report(sides, options)
    report["video"] = None
    if options.video:
        report["video"] = time_videos(
            _config("ours", options),
            options.beside,
            seconds=options.video,
            threads=options.threads,
        )
    return report


def _summary(laps: Sequence[dict[str, float]], warm_up: int) -> dict:
    steady = laps[warm_up:]
    stages = {key: median(lap.get(key, 0.0) for lap in steady) for key in steady[-1]}
    del stages["peak_gib"]
    return {
        "seconds": stages.pop("total"),
        "peak_gib": max(lap["peak_gib"] for lap in laps),
        "first_seconds": laps[0]["total"],
        "all_seconds": [lap["total"] for lap in laps],
        "all_peak_gib": [lap["peak_gib"] for lap in laps],
        "stages": stages,
    }


def _report(sides: dict[str, dict], options: ModelSpeedOptions) -> dict:
    ours, paper = sides["ours"], sides.get("paper")
    with_first = None if options.training else paper
    return {
        "config": options.config_file or options.model,
        "opts": options.opts,
        "training": options.training,
        "size": list(options.size),
        "threads": options.threads,
        "speedup": paper and paper["seconds"] / ours["seconds"],
        "memory_ratio": paper and ours["peak_gib"] / paper["peak_gib"],
        "vs_single_frame": ours["seconds"] / sides["single_frame"]["seconds"],
        "first_frame_speedup": with_first and with_first["first_seconds"] / ours["first_seconds"],
        "stages": {name: side["stages"] for name, side in sides.items()},
        **sides,
    }


def _table(report: dict) -> str:
    names = list(report["stages"])
    stages = dict.fromkeys(stage for name in names for stage in report["stages"][name])
    rows = [[stage, *(report["stages"][name].get(stage) for name in names)] for stage in stages]
    for key in ("seconds", "first_seconds", "peak_gib", "tflops", "gib_moved", "proposals"):
        rows.append([key, *(report[name].get(key) for name in names)])
    videos = report["video"] or {}
    for key in ("seconds", "frames_per_second", "real_time") if videos else ():
        rows.append([f"video {key}", *(videos.get(name, {}).get(key) for name in names)])
    lines = [tabulate(rows, headers=["", *names], floatfmt=".3f", missingval="-")]
    for key in ("speedup", "memory_ratio", "vs_single_frame", "first_frame_speedup"):
        lines.append(f"{key}: {report[key] and round(report[key], 3)}")
    return "\n".join(lines)


def _work_on(pipe: Connection, name: str, options: ModelSpeedOptions) -> None:
    if name in options.beside:
        height, width = options.size
        images = [random_image(height, width, number) for number in range(options.frames)]
        work_beside(pipe, name, options.threads, images)
    else:
        _work(pipe, name, options)


def _work(pipe: Connection, name: str, options: ModelSpeedOptions) -> None:
    """Process a frame for every message, until None; then send the cost of a frame."""
    ignore_library_warnings()
    torch.set_num_threads(options.threads)
    cfg = _config(name, options)
    model = _model(name, cfg, options)
    if options.training:
        step = _training_step(model, options, name)
    else:
        step = _frame_step(model, cfg.MODEL.VID.TEST.NUM_REFERENCES, options, name)
    stopwatch = Stopwatch(model)
    while (index := pipe.recv()) is not None:
        lap = stopwatch.lap(functools.partial(step, index))
        pipe.send({**lap, "peak_gib": _peak_gib(model.device)})
    proposals = []
    handle = model.roi_heads.register_forward_pre_hook(
        lambda _, inputs: proposals.append(len(inputs[2][0]))
    )
    with CostCounter() as counter:
        step(options.warm_up + options.frames)
    handle.remove()
    cost = {"tflops": counter.flops / 1e12, "gib_moved": counter.bytes / GIB}
    pipe.send({"proposals": proposals[-1], **cost})


def _config(name: str, options: ModelSpeedOptions) -> CfgNode:
    cfg = build_cfg(options.config_file, list(options.opts), options.model)
    if name in options.precision:
        cfg.MODEL.VID.TEST.PRECISION = name
    elif name == "paper":
        cfg.MODEL.VID.ACCELERATE = False
    elif name == "single_frame":
        cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
        cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 2
        cfg.MODEL.VID.TROI.ENABLED = False
        cfg.MODEL.BOXMASK.ENABLED = False
    return cfg


def _model(name: str, cfg: CfgNode, options: ModelSpeedOptions) -> GeneralizedRCNN:
    """Build with random weights, the same for all sides."""
    torch.manual_seed(0)
    model = build_model(cfg).train(options.training)
    if name in options.without:
        restore(model, name)
    # An untrained RPN prefers one kind of anchor everywhere, of which NMS leaves a few. With the
    # same score for all anchors of a place there are as many proposals as after a training.
    logits = model.proposal_generator.rpn_head.objectness_logits
    with torch.no_grad():
        logits.weight.copy_(logits.weight[:1].expand_as(logits.weight))
    return model


def _frame_step(
    model: GeneralizedRCNN, num_references: int, options: ModelSpeedOptions, name: str
) -> Callable[[int], None]:
    """Detection in the frame of an index; references come with the first one."""

    def step(index: int) -> None:
        height, width = options.size
        sample = {"image": random_image(height, width, index), "height": height, "width": width}
        if name != "single_frame":
            sample |= {"video_id": 0, "frame_index": index}
            if index == 0:
                sample["reference_images"] = [
                    random_image(height, width, 1000 + number) for number in range(num_references)
                ]
        with torch.inference_mode():
            model([sample])

    return step


def _training_step(
    model: GeneralizedRCNN, options: ModelSpeedOptions, name: str
) -> Callable[[int], None]:
    """Forward, backward and update; 1 + 2 frames for each clip."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-5, momentum=0.9)
    height, width = options.size

    def step(index: int) -> None:
        torch.manual_seed(index)
        batch = []
        for clip in range(options.clips):
            first = 3 * (index * options.clips + clip)
            key, *references = (random_image(height, width, first + number) for number in range(3))
            batch.append({"image": key, "instances": random_truth(height, width)})
            if name != "single_frame":
                batch[-1]["reference_images"] = references
        optimizer.zero_grad()
        with EventStorage():
            loss = sum(model(batch).values())
        loss.backward()
        optimizer.step()

    return step


def _peak_gib(device: torch.device) -> float:
    """Peak memory of the whole process on a CPU, of tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return peak_bytes() / GIB
