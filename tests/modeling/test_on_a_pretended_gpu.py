"""Models on a pretended GPU: no tensor on another device, and few waits for the GPU."""

from __future__ import annotations

import pytest
import torch
from detectron2.utils.events import EventStorage

from support.pretended_gpu import OnGpu, PretendedGpu, on_cpu, to_gpu
from support.small import clip, frame, small_model

# of a frame of a video whose references are remembered: as many as of a single frame
FRAME_WAITS = 16
# of a training step of two clips
TRAINING_WAITS = {"faster_rcnn": 70, "selsa": 93, "troi": 93, "boxmask": 109}
MEMORY = {
    "full": [],
    "float16": ["MODEL.VID.TEST.MEMORY.PRECISION", "float16"],
    "budget": ["MODEL.VID.TEST.MEMORY.BUDGET_MB", "0.2"],
    "online": ["MODEL.VID.TEST.REFERENCES", "online"],
}


def detections(model: torch.nn.Module, count: int = 4) -> list[torch.Tensor]:
    """Boxes and scores of frames of a video, the first of which has references."""
    found = []
    for index in range(count):
        sample = frame(index, references=0 if index else 3)
        if index:
            del sample["reference_images"]
        with torch.no_grad():
            (result,) = model([sample])
        instances = result["instances"]
        boxes = instances.pred_boxes.tensor
        assert isinstance(boxes, OnGpu) == (model.pixel_mean.device.type == "cuda")
        found.append(torch.cat([on_cpu(boxes), on_cpu(instances.scores)[:, None]], dim=1))
    return found


@pytest.mark.parametrize("kind", TRAINING_WAITS)
@pytest.mark.parametrize("memory", MEMORY)
def test_detections_of_a_video(kind, memory):
    opts = ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0", *MEMORY[memory]]
    expected = detections(small_model(kind, *opts).eval())
    model = to_gpu(small_model(kind, *opts).eval())
    with PretendedGpu():
        found = detections(model)
    assert sum(map(len, expected))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", TRAINING_WAITS)
def test_waits_of_a_frame(kind):
    model = to_gpu(small_model(kind).eval())
    with PretendedGpu() as gpu:
        detections(model, count=3)
        gpu.waits.clear()
        with torch.no_grad():
            sample = frame(3)
            model([sample])
    assert 0 < sum(gpu.waits.values()) <= FRAME_WAITS, gpu.waits
    own = ("modeling/fast/", "modeling/layers/", "reference_encoder", "reference_memory")
    assert not [line for line in gpu.waits if any(part in line for part in own)]


@pytest.mark.parametrize("kind", TRAINING_WAITS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_losses_of_a_training_step(kind, half):
    references = 0 if kind == "faster_rcnn" else 2
    batch = [clip(references=references, seed=seed) for seed in (0, 10)]
    model = to_gpu(small_model(kind).train())
    with EventStorage(), PretendedGpu() as gpu, torch.autocast("cpu", torch.bfloat16, half):
        losses = model(batch)
    assert all(on_cpu(loss).isfinite() for loss in losses.values())
    assert 0 < sum(gpu.waits.values()) <= TRAINING_WAITS[kind], gpu.waits


def test_what_would_fail_or_wait_on_a_gpu_is_found():
    with PretendedGpu() as gpu:
        on_gpu = torch.ones(3, device="cuda")
        assert on_gpu.device.type == "cuda"
        assert on_gpu.cpu().device.type == "cpu"
        with pytest.raises(AssertionError, match="tensors on the GPU and on the CPU"):
            on_gpu + torch.ones(3)
        assert (on_gpu * torch.tensor(2.0)).device.type == "cuda"
        gpu.waits.clear()
        for wait in (
            lambda: on_gpu.sum().item(),
            lambda: bool(on_gpu.any()),
            lambda: on_gpu[on_gpu > 0],
            lambda: on_gpu[[0, 1]],
            lambda: on_gpu.nonzero(),
            lambda: torch.ones(2).to("cuda"),
            lambda: on_gpu.to("cpu"),
        ):
            before = sum(gpu.waits.values())
            wait()
            assert sum(gpu.waits.values()) == before + 1
