"""Memory does not grow with the length of a stream."""

import gc
import multiprocessing
import os
import sys
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone

from boxmask_vid.engine.predictor import VideoPredictor
from support.small import small_cfg, small_model

pytestmark = pytest.mark.slow

WIDTH = 128  # of a frame: 10,000 of them are 490 MB, and 500 are 25 MB


@BACKBONE_REGISTRY.register()
class OneConvolution(Backbone):
    """A ResNet-50 would take four minutes for 10,000 frames, and remembers nothing."""

    def __init__(self, cfg: CfgNode, input_shape: ShapeSpec) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(input_shape.channels, 16, 16, stride=16)

    def forward(self, images):
        return {"c5": self.convolution(images)}

    def output_shape(self):
        return {"c5": ShapeSpec(channels=16, stride=16)}


def in_use() -> dict[str, int]:
    """Tensors, blocks of Python's memory, and bytes of the process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "tensors": sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "bytes": pages * os.sysconf("SC_PAGE_SIZE"),
    }


@pytest.mark.parametrize(
    ("kind", "memory", "lookahead", "frames"),
    [("selsa", "reservoir", 0, 10_000), ("boxmask", "sliding", 1, 500)],
)
def test_memory_is_flat(tmp_path, kind, memory, lookahead, frames):
    # in a process of its own: in that of other tests, what they have left is freed and taken again
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        running = process.submit(early_and_late, tmp_path, kind, memory, lookahead, frames)
        early, late = running.result()
    assert late["tensors"] <= early["tensors"]
    assert late["blocks"] - early["blocks"] < 1000  # 250 were measured, after 500 and 10,000 frames
    assert late["bytes"] - early["bytes"] < 10_000_000  # 2 MB were measured


def early_and_late(
    folder: Path, kind: str, memory: str, lookahead: int, frames: int
) -> tuple[dict[str, int], dict[str, int]]:
    """What is in use after a twentieth of a stream and at its end."""
    opts = ["INPUT.MIN_SIZE_TEST", 16, "INPUT.MAX_SIZE_TEST", 16, "MODEL.RPN.POST_NMS_TOPK_TEST", 4]
    opts += ["MODEL.VID.TEST.NUM_REFERENCES", 2, "MODEL.BACKBONE.NAME", "OneConvolution"]
    torch.save({"model": small_model(kind, *opts).state_dict()}, folder / "model.pth")
    predictor = VideoPredictor(small_cfg(kind, *opts, "MODEL.WEIGHTS", folder / "model.pth"))
    noise = np.random.default_rng(0)
    size = WIDTH, WIDTH, 3
    camera = (noise.integers(0, 256, size, np.uint8) for _ in range(frames))
    stream = predictor.predict_stream(camera, policy=memory, lookahead=lookahead)
    for found in islice(stream, frames // 20):
        assert len(found["instances"])
    early = in_use()
    (found,) = deque(stream, maxlen=1)
    assert found["frame"] == frames - 1
    return early, in_use()
