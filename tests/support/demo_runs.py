"""Runs of demo.py in this process, with the smallest model."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch

from boxmask_vid.apps.video_demo import demo
from boxmask_vid.errors import InputError
from support.small import CONFIG, SMALLEST, small_model

FRAMES = 5  # of the clip
SIZE = "INPUT.MIN_SIZE_TEST", "64", "INPUT.MAX_SIZE_TEST", "96", "MODEL.VID.CLASS_NAMES", "()"


def options(weights: str) -> list[str]:
    """Config options of the smallest model with these weights."""
    return [*SMALLEST, *SIZE, "MODEL.WEIGHTS", weights]


def write_weights(path: Path) -> str:
    """Random weights of the smallest model."""
    torch.save({"model": small_model("boxmask").state_dict()}, path)
    return str(path)


def arguments(weights: str, *words: object) -> list[str]:
    more = list(words)
    opts = more[more.index("--opts") + 1 :] if "--opts" in more else []
    more = more[: more.index("--opts")] if "--opts" in more else more
    return [
        *("--config-file", CONFIG, "--threshold", "0.2", *map(str, more)),
        *("--opts", *options(weights), *map(str, opts)),
    ]


def run_demo(weights: str, *words: object) -> None:
    demo.run(demo.argument_parser().parse_args(arguments(weights, *words)))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@dataclass(frozen=True)
class Annotated:
    """What demo.py made of an input."""

    records: list[dict]  # JSON lines
    sentence: str  # of the error; empty if there was none
    times: list[float]  # at which the frames of the annotated video are shown
    size: tuple[int, int] | None  # its width and height
    pixel_aspect: Fraction | None

    @property
    def numbers(self) -> list[int]:
        return [record["frame"] for record in self.records]

    @property
    def read_times(self) -> list[float]:
        return [record["time"] for record in self.records]


def annotate(weights: str, folder: Path, source: object, *words: object) -> Annotated:
    """Annotate an input into an empty folder; ``words`` are further options."""
    shutil.rmtree(folder, ignore_errors=True)
    video, jsonl, sentence = folder / "annotated.mp4", folder / "lines.jsonl", ""
    try:
        run_demo(weights, "--input", source, "--output", video, "--jsonl", jsonl, *words)
    except (InputError, FileNotFoundError) as error:
        sentence = str(error)
    records = lines(jsonl) if jsonl.exists() else []
    times, size, aspect = [], None, None
    if video.exists():
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            size, aspect = (stream.width, stream.height), stream.sample_aspect_ratio
            times = [frame.time for frame in container.decode(stream)]
    return Annotated(records, sentence, times, size, aspect)
