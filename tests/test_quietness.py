"""Every sub-command in a process of its own: its standard error has our own lines only."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from itertools import chain
from pathlib import Path

import pytest
import torch

from boxmask_vid.cli import SUBCOMMANDS
from support.annotation_formats import write_images, write_yolo
from support.demo_runs import options, write_weights
from support.paths import SHARED
from support.report_data import made_up_detections
from support.screen import foreign_lines
from support.small import CONFIG, KINDS, SMALLEST
from support.tiny_models import tiny_config

pytestmark = pytest.mark.slow

SMALL = ["DATALOADER.NUM_WORKERS", "0", "INPUT.MIN_SIZE_TEST", "32", "INPUT.MAX_SIZE_TEST", "48"]
MODEL = f"--config-file {CONFIG}"
DETECT = f"{MODEL} --opts DETECTION_OPTIONS"
DATASETS = (
    "--dataset t val.json frames --dataset v val.json frames "
    "DATASETS.TRAIN ('t',) DATASETS.TEST ('v',) MODEL.VID.CLASS_NAMES () OUTPUT_DIR"
)
# by sub-command; what the fixture ``inputs`` makes lies in the current folder
WORDS = {
    "detect": f"images --output images.mp4 --tracks {DETECT}",
    "serve": f"--port 0 {DETECT}",
    "train": f"{MODEL} {DATASETS} trained SOLVER.MAX_ITER 1 TRAINING_OPTIONS",
    "evaluate": f"{MODEL} {DATASETS} evaluated MODEL.WEIGHTS weights.pth TRAINING_OPTIONS",
    "models": "",
    "convert": "yolo --from yolo --output converted.json",
    "check": "val.json --images frames --draw 1",
    "score": "--gt val.json --detections results.json",
    "compare": "--gt val.json results.json results.json",
    "report": "--gt val.json --detections results.json --images frames --output report.html",
    "link": "--gt val.json --detections results.json --method seq_nms --output linked.json",
    "convert-detections": "--gt val.json --detections results.json --export mot=mot/ --tracks",
    "export": f"--output exported {DETECT}",
    "speed": f"{MODEL} --no-paper --frames 1 --warm-up 1 --size 32 48 SPEED_OPTIONS",
    "convert-checkpoint": f"theirs.pth converted.pth --config-file {tiny_config('selsa')}",
}


@pytest.fixture(scope="module")
def inputs(synthetic_root, tmp_path_factory) -> Path:
    """Small inputs of all kinds, in a folder."""
    folder = tmp_path_factory.mktemp("inputs")
    tree = synthetic_root / "synthetic_vid"
    (folder / "frames").symlink_to(tree / "Data/VID")
    (folder / "images").symlink_to(sorted((tree / "Data/VID/val").iterdir())[0])
    content = json.loads((tree / "coco_vid/imagenet_vid_val.json").read_text())
    (folder / "val.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps(made_up_detections(content)))
    write_yolo(folder / "yolo")
    write_images(folder / "yolo")
    write_weights(folder / "weights.pth")
    if SHARED.is_dir():
        from support.published_files import theirs  # reads a file of it

        torch.save({"meta": {"epoch": 7}, "state_dict": theirs("selsa")}, folder / "theirs.pth")
    return folder


def command(name: str) -> list[str]:
    opts = [*SMALLEST, *KINDS["selsa"], *SMALL]
    meanings = {
        "DETECTION_OPTIONS": options("weights.pth"),
        "TRAINING_OPTIONS": [*SMALLEST, *SMALL, "SOLVER.IMS_PER_BATCH", "1"],
        "SPEED_OPTIONS": opts,
    }
    words = chain.from_iterable(meanings.get(word, [word]) for word in WORDS[name].split())
    return [sys.executable, "-m", "boxmask_vid.cli", name, *words]


def names() -> list:
    marks = {"convert-checkpoint": pytest.mark.needs_shared}
    return [
        pytest.param(name, marks=marks.get(name, ())) for name in SUBCOMMANDS if name != "serve"
    ]


@pytest.mark.parametrize("name", names())
def test_a_command_prints_no_warnings_of_libraries(name, inputs):
    done = subprocess.run(command(name), cwd=inputs, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not foreign_lines(done.stderr)


def test_the_page_prints_no_warnings_of_libraries(inputs):
    with subprocess.Popen(
        command("serve"), cwd=inputs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        address = re.search(r"http://127\.0\.0\.1:\d+", server.stdout.readline())
        if address:
            urllib.request.urlopen(address[0]).close()  # it waits for requests now
        server.send_signal(signal.SIGTERM)
        _, stderr = server.communicate()
    assert address, stderr
    assert not foreign_lines(stderr)
