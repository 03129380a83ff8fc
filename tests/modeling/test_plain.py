"""The fast formulation against the plain one: same parameters, same frames, same results."""

import copy

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage

from boxmask_vid.modeling import PlainVideoRCNN, plain_config
from support.small import clip, frame, small_cfg, small_model

KINDS = ["selsa", "troi", "boxmask"]
SIZES = {"equal": ({}, {}), "different": ({}, {"height": 96, "width": 64})}


def both(kind: str, *opts: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A model in float64 and its plain formulation."""
    model = small_model(kind, *opts).double()
    plain = build_model(plain_config(small_cfg(kind, *opts))).double()
    assert isinstance(plain, PlainVideoRCNN)
    plain.load_state_dict(model.state_dict())
    return model, plain


def double(sample: dict) -> dict:
    sample = {**sample, "image": sample["image"].double()}
    if "reference_images" in sample:
        sample["reference_images"] = [each.double() for each in sample["reference_images"]]
    return sample


def detections(model: torch.nn.Module, batches: list[list[dict]]) -> list:
    model.eval()
    with torch.no_grad():
        return [found["instances"] for batch in batches for found in model(batch)]


def assert_same(ours: list, plain: list, tolerance: float = 1e-9) -> None:
    assert len(ours) == len(plain)
    for left, right in zip(ours, plain, strict=True):
        assert len(left)
        assert left.pred_classes.tolist() == right.pred_classes.tolist()
        torch.testing.assert_close(left.scores, right.scores, rtol=0, atol=tolerance)
        torch.testing.assert_close(
            left.pred_boxes.tensor, right.pred_boxes.tensor, rtol=0, atol=tolerance
        )


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("references", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_adaptive_references(kind: str, references: int, sizes: str):
    """Two videos in lockstep; the second frame and the third have to remember."""
    batches = []
    for index in range(3):
        arrived = references if index == 0 else None
        batches.append(
            [
                double(frame(index, video, references=arrived, **size))
                for video, size in enumerate(SIZES[sizes])
            ]
        )
    assert_same(*(detections(model, batches) for model in both(kind)))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_sliding_window(kind: str, stride: int):
    batches = []
    for index in range(5):
        count = 5 if index == 0 else 1 if index % stride == 0 else None
        batches.append([double(frame(index, references=count))])
    models = both(kind, "MODEL.VID.TEST.REFERENCES", "fixed")
    assert_same(*(detections(model, batches) for model in models))


@pytest.mark.parametrize("kind", KINDS)
def test_images_alone(kind: str):
    batch = [double(frame(0)), double(frame(1, height=96, width=64))]
    for each in batch:
        del each["video_id"]
    assert_same(*(detections(model, [batch]) for model in both(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_references_encoded_one_by_one(kind: str):
    batches = [[double(frame(0, references=5))], [double(frame(1))]]
    model, plain = both(kind, "MODEL.VID.TEST.REFERENCES_AT_ONCE", 2)
    assert_same(detections(model, batches), detections(plain, batches))


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_changes_what_is_kept_and_not_what_is_found(kind: str, mode: str):
    batches = [[double(frame(i, references=5 if i == 0 else None))] for i in range(3)]
    if mode == "fixed":
        batches[2] = [double(frame(2, references=1))]
    opts = ("MODEL.VID.TEST.REFERENCES", mode)
    model, plain = both(kind, *opts, "MODEL.VID.TEST.MEMORY.BUDGET_MB", 0.1)
    unlimited, _ = both(kind, *opts)
    assert_same(detections(model, batches), detections(plain, batches))
    assert_same(detections(unlimited, batches), detections(plain, batches))
    kept, all_of_it = (
        sum(each.nbytes for each in memory.reference_memory._frames[1])
        for memory in (model, unlimited)
    )
    if kind == "selsa":
        assert kept == all_of_it  # there is nothing to be left out
    else:
        assert kept <= 0.1 * 2**20 < all_of_it


HALF = {"float16": 2e-2, "bfloat16": 1e-1}


@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_caches(kind: str, precision: str):
    """Compared before boxes are selected, which a small difference may change."""
    batches = [[frame(i, references=3 if i == 0 else None)] for i in range(2)]
    model = small_model(kind)
    half = small_model(kind, "MODEL.VID.TEST.MEMORY.PRECISION", precision)
    features = []
    for each in (model, half):
        kept = []
        each.roi_heads.box_predictor.register_forward_pre_hook(
            lambda _, inputs, kept=kept: kept.append(inputs[0])
        )
        detections(each, batches)
        features.append(torch.cat(kept))
    assert half.reference_memory._frames[1][0].stages[0][0].dtype == half.reference_memory.dtype
    error = (features[0] - features[1]).abs().max() / features[0].abs().max()
    print(f"{kind} {precision}: {error:.1e} of the largest box feature")
    assert 0 < error < HALF[precision]


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
def test_memory_does_not_grow_with_the_video(mode: str):
    model = small_model("boxmask", "MODEL.VID.TEST.REFERENCES", mode).eval()
    kept = []
    for index in range(40):
        arrived = 5 if index == 0 else 1 if mode == "fixed" else None
        detections(model, [[frame(index, references=arrived)]])
        memory = model.reference_memory._frames
        assert list(memory) == [1]
        kept.append(sum(each.nbytes for each in memory[1]))
    assert kept[20:] == [kept[20]] * 20


BATCHES = {
    "one clip": [clip()],
    "clips of different sizes": [clip(), clip(96, 64, seed=9)],
    "no references": [clip(references=0)],
    "a still and a video": [clip(references=0), clip(references=1, seed=9)],
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_losses_and_gradients(kind: str, name: str):
    results = []
    for model in both(kind, "MODEL.VID.FREEZE_BN_STATISTICS", True):
        torch.manual_seed(3)  # of the sampling of proposals
        model.train()
        with EventStorage():
            losses = model([double(each) for each in copy.deepcopy(BATCHES[name])])
        sum(losses.values()).backward()
        gradients = {name: each.grad for name, each in model.named_parameters()}
        results.append({**losses, **gradients})
    ours, plain = results
    assert set(ours) == set(plain)
    for name, each in plain.items():
        scale = each.abs().max().clamp(min=1).item()
        torch.testing.assert_close(ours[name], each, rtol=0, atol=1e-9 * scale, msg=name)
