"""The fast formulation beside the plain one and beside a single-frame detector.

Each runs in a process of its own, so that each has its own peak of memory; they take turns frame
by frame, so that all meet the same state of the machine.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import resource
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from tabulate import tabulate

from ...engine.setup import build_cfg
from ...files import write_json
from ...modeling import plain_config
from ...progress import progress
from ...structures import BoxMasks
from .cost import CostCounter
from .stopwatch import Stopwatch

GIB = 2**30


def argument_parser() -> argparse.ArgumentParser:
    """Options of ``tools/benchmark.py``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config-file", required=True, metavar="CFG", help="of the model")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="where to write it all")
    parser.add_argument(
        "--plain",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare with the plain formulation, which is slow; without it the ratios to it are "
        "null",
    )
    parser.add_argument("--training", action="store_true", help="time training steps, not frames")
    parser.add_argument("--clips", type=int, default=1, help="in a training step")
    parser.add_argument("--frames", type=int, default=5, help="that are timed after the warm-up")
    parser.add_argument("--warm-up", type=int, default=2, help="frames or steps before that")
    parser.add_argument("--size", type=int, nargs=2, default=(600, 1000), metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=2, help="of each process on the CPU")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE pairs of the config")
    return parser


def run_benchmark(args: argparse.Namespace) -> dict:
    """Measure, print a table and write ``args.output``.

    Returns:
        what is written: ``speedup``, ``memory_ratio``, ``vs_single_frame``,
        ``first_frame_speedup`` (null in training), ``stages`` with seconds per frame, and for each
        of ``ours``, ``plain`` and ``single_frame`` seconds, memory, FLOPs and bytes.
    """
    names = ["ours", *(["plain"] if args.plain else []), "single_frame"]
    context = multiprocessing.get_context("spawn")
    workers = {}
    for name in names:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, name, args), daemon=True)
        process.start()
        workers[name] = ours
    rounds = range(args.warm_up + args.frames)
    laps = {name: [] for name in names}
    for index in progress(rounds, total=len(rounds), what="round"):
        for name, pipe in workers.items():
            pipe.send(index)
            laps[name].append(pipe.recv())
    results = {}
    for name, pipe in workers.items():
        pipe.send(None)
        results[name] = {**_summary(laps[name], args.warm_up), **pipe.recv()}
    report = _report(results, args)
    if args.output:
        write_json(args.output, report)
        print(f"{args.output}: written")
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


def _report(results: dict[str, dict], args: argparse.Namespace) -> dict:
    ours, plain, single = (results.get(name) for name in ("ours", "plain", "single_frame"))
    report = {
        "config": args.config_file,
        "opts": args.opts,
        "training": args.training,
        "size": list(args.size),
        "threads": args.threads,
        "speedup": plain and plain["seconds"] / ours["seconds"],
        "memory_ratio": plain and ours["peak_gib"] / plain["peak_gib"],
        "vs_single_frame": ours["seconds"] / single["seconds"],
        "first_frame_speedup": (
            None if args.training else plain and plain["first_seconds"] / ours["first_seconds"]
        ),
        "stages": {name: each["stages"] for name, each in results.items()},
        **results,
    }
    keys = list(dict.fromkeys(key for each in results.values() for key in each["stages"]))
    rows = [[key, *(each["stages"].get(key) for each in results.values())] for key in keys]
    for key in ("seconds", "first_seconds", "peak_gib", "tflops", "gib_moved", "proposals"):
        rows.append([key, *(each[key] for each in results.values())])
    print(tabulate(rows, headers=["", *results], floatfmt=".3f", missingval="-"))
    for key in ("speedup", "memory_ratio", "vs_single_frame", "first_frame_speedup"):
        print(f"{key}: {report[key] if report[key] is None else round(report[key], 3)}")
    return report


def _work(pipe: Connection, name: str, args: argparse.Namespace) -> None:
    """A process: a frame for every message, until None; then what it has cost."""
    torch.set_num_threads(args.threads)
    cfg = _config(name, args)
    model = _model(cfg, args)
    step = _training_step(model, args, name) if args.training else _frame(model, cfg, args, name)
    stopwatch = Stopwatch(model)
    while (index := pipe.recv()) is not None:
        lap = stopwatch.lap(functools.partial(step, index))
        pipe.send({**lap, "peak_gib": _peak_memory(model.device)})
    cost = {"proposals": None}
    handle = model.roi_heads.register_forward_pre_hook(
        lambda _, inputs: cost.update(proposals=len(inputs[2][0]))
    )
    with CostCounter() as counter:
        step(args.warm_up + args.frames)
    handle.remove()
    cost.update(tflops=counter.flops / 1e12, gib_moved=counter.bytes / GIB)
    pipe.send(cost)


def _config(name: str, args: argparse.Namespace) -> CfgNode:
    cfg = build_cfg(args.config_file, args.opts)
    if name == "plain":
        return plain_config(cfg)
    if name == "single_frame":
        cfg.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
        cfg.MODEL.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
        cfg.MODEL.ROI_BOX_HEAD.NUM_FC = 2
        cfg.MODEL.VID.TROI.ENABLED = False
        cfg.MODEL.BOXMASK.ENABLED = False
    return cfg


def _model(cfg: CfgNode, args: argparse.Namespace) -> torch.nn.Module:
    """With random weights, the same for all formulations."""
    torch.manual_seed(0)
    model = build_model(cfg).train(args.training)
    # An untrained RPN likes one kind of anchor everywhere, of which NMS leaves a few. With the
    # same score for all anchors of a place there are as many proposals as after a training.
    logits = model.proposal_generator.rpn_head.objectness_logits
    with torch.no_grad():
        logits.weight.copy_(logits.weight[:1].expand_as(logits.weight))
    return model


def _frame(
    model: torch.nn.Module, cfg: CfgNode, args: argparse.Namespace, name: str
) -> Callable[[int], None]:
    """Detection of the frame of an index; with the first one come the references."""

    def step(index: int) -> None:
        sample = {"image": _image(args.size, index), "height": args.size[0], "width": args.size[1]}
        if name != "single_frame":
            sample |= {"video_id": 0, "frame_index": index}
            if index == 0:
                count = cfg.MODEL.VID.TEST.NUM_REFERENCES
                sample["reference_images"] = [_image(args.size, 1000 + i) for i in range(count)]
        with torch.inference_mode():
            model([sample])

    return step


def _training_step(
    model: torch.nn.Module, args: argparse.Namespace, name: str
) -> Callable[[int], None]:
    """Forward, backward and update; 1 + 2 frames for each clip."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-5, momentum=0.9)

    def step(index: int) -> None:
        torch.manual_seed(index)
        batch = []
        for clip in range(args.clips):
            seeds = [3 * (index * args.clips + clip) + each for each in range(3)]
            key, *references = (_image(args.size, seed) for seed in seeds)
            batch.append({"image": key, "instances": _truth(args.size)})
            if name != "single_frame":
                batch[-1]["reference_images"] = references
        optimizer.zero_grad()
        with EventStorage():
            loss = sum(model(batch).values())
        loss.backward()
        optimizer.step()

    return step


def _image(size: Sequence[int], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)


def _truth(size: Sequence[int]) -> Instances:
    height, width = size
    boxes = torch.tensor(
        [[0.1, 0.1, 0.5, 0.6], [0.4, 0.3, 0.9, 0.9], [0.6, 0.1, 0.8, 0.4], [0.05, 0.5, 0.3, 0.95]]
    ) * torch.tensor([width, height, width, height])
    return Instances(
        (height, width),
        gt_boxes=Boxes(boxes),
        gt_classes=torch.arange(4),
        gt_masks=BoxMasks(boxes.round(), (height, width)),
    )


def _peak_memory(device: torch.device) -> float:
    """GiB, of the whole process on a CPU, of tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIB
