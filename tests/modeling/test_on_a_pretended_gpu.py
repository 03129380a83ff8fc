"""Models on a pretended GPU: no tensor on another device, and few waits for the GPU."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from detectron2.utils.events import EventStorage

from boxmask_vid.engine.optimizer import build_vid_optimizer
from boxmask_vid.engine.training_loop import TrainingLoop
from support.backbones import options
from support.pretended_gpu import OnGpu, PretendedGpu, on_cpu, pretend, to_gpu
from support.small import clip, frame, small_cfg, small_model

# of a frame of a video whose references are remembered: as many as of a single frame
FRAME_WAITS = 14
# of a training step of two clips; BoxMask's number depends on the sampled foreground
TRAINING_WAITS = {"faster_rcnn": 63, "selsa": 80, "troi": 80, "boxmask": 96}
# Lines of the package that wait, and why; all other waits are in Detectron2's parts.
OWN_WAITS = {
    'truth = [sample["instances"].to(self.device)': "the ground truth comes from the loader",
    "return BoxMasks(self.tensor.to(device)": "the same",
    "boxes.isfinite().all() & scores.isfinite().all()": "divergence ends a training, as in RPN",
    "inside = all_anchors.inside_box(": "number of anchors in the image",
    "nonempty(threshold=self.min_box_size)": "number of proposals that are not empty, as in RPN",
    "return nms(boxes, scores, self.nms_thresh)": "number of proposals that are kept, as in RPN",
    "self.test_score_thresh).nonzero(": "number of scores, as in FastRCNNOutputLayers",
    "keep = batched_nms(": "number of detections, as in FastRCNNOutputLayers",
    "most = max(int(samples.max()), 1)": "size of a table of samples",
}
MEMORY = {
    "full": [],
    "float16": ["MODEL.VID.TEST.MEMORY.PRECISION", "float16"],
    "budget": ["MODEL.VID.TEST.MEMORY.BUDGET_MB", "0.2"],
    "fixed": ["MODEL.VID.TEST.REFERENCES", "fixed"],
    "online": ["MODEL.VID.TEST.REFERENCES", "online"],
    "torchvision": options("mobilenet_v3_small"),
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
@pytest.mark.parametrize("accelerate", [False, True])
def test_half_precision(kind, accelerate, monkeypatch):
    opts = ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0", "MODEL.VID.ACCELERATE", accelerate]
    on_host, model = small_model(kind, *opts).eval(), to_gpu(small_model(kind, *opts).eval())
    full = detections(on_host)
    on_host.test_precision = model.test_precision = "bfloat16"
    expected = detections(on_host)
    with pretend(monkeypatch):
        found = detections(model)
    assert not torch.equal(found[0], full[0])
    if not accelerate:
        torch.testing.assert_close(found, expected)
        return
    # fast modules compute otherwise on CPUs, and random detections of nearly the same score change
    for ours, theirs in zip(found, expected, strict=True):
        nearest = torch.cdist(ours[:, :4], theirs[:, :4], p=torch.inf).min(dim=1).values
        assert (nearest < 2).float().mean() > 0.8
        assert abs(ours[0, 4] - theirs[0, 4]) < 0.02


def unexplained(waits: Iterable[str]) -> list[str]:
    """Waits in lines of the package that are not named above."""
    own = [line for line in waits if "; detectron2/" not in line]
    return [line for line in own if not any(named in line for named in OWN_WAITS)]


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
    assert not unexplained(gpu.waits)


class Loader(list):
    """Batches of a training, as a loader without workers has them."""

    num_workers = 0


def trained(kind: str, model: torch.nn.Module, precision: torch.dtype) -> tuple[dict, dict]:
    """Losses and gradients of the first of two steps of the training loop."""
    references = 0 if kind == "faster_rcnn" else 2
    batch = [clip(references=references, seed=seed) for seed in (0, 10)]
    optimizer = build_vid_optimizer(small_cfg(kind), model)
    loop = TrainingLoop(model, Loader([batch, batch]), optimizer, precision=precision)
    before = {name: on_cpu(weight).detach().clone() for name, weight in model.named_parameters()}
    torch.manual_seed(1)  # of the sampling
    with EventStorage() as storage:
        loop.run_step()
        losses = {name: value for name, (value, _) in storage.latest().items() if "loss" in name}
        gradients = {
            name: on_cpu(weight.grad).clone()
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }
        loop.run_step()
    for name, weight in model.named_parameters():
        if name in gradients and gradients[name].any():
            assert not torch.equal(on_cpu(weight), before[name]), name
    return losses, gradients


@pytest.mark.parametrize("kind", TRAINING_WAITS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_the_training_loop_computes_what_it_does_on_the_cpu(kind, precision, monkeypatch):
    expected, gradients = trained(kind, small_model(kind).train(), precision)
    model = to_gpu(small_model(kind).train())
    with pretend(monkeypatch):
        losses, on_gpu = trained(kind, model, precision)
    half = precision == torch.bfloat16
    assert losses == pytest.approx(expected, rel=1e-2 if half else 1e-5)
    assert on_gpu.keys() == gradients.keys()
    assert len(gradients) == len(list(model.parameters()))
    for name, gradient in gradients.items() if not half else ():
        assert (on_gpu[name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-5, name


@pytest.mark.parametrize("kind", TRAINING_WAITS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "autocast"])
def test_losses_of_a_training_step(kind, half, monkeypatch):
    references = 0 if kind == "faster_rcnn" else 2
    batch = [clip(references=references, seed=seed) for seed in (0, 10)]
    model = to_gpu(small_model(kind).train())
    with EventStorage(), pretend(monkeypatch) as gpu, torch.autocast("cuda", torch.bfloat16, half):
        losses = model(batch)
    assert all(on_cpu(loss).isfinite() for loss in losses.values())
    assert 0 < sum(gpu.waits.values()) <= TRAINING_WAITS[kind], gpu.waits
    assert not unexplained(gpu.waits)


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
