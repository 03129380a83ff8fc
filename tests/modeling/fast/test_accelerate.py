"""Accelerated models against the papers' formulation: same parameters, frames and results."""

import copy

import pytest
import torch
from detectron2.utils.events import EventStorage

from boxmask_vid.errors import InputError
from boxmask_vid.modeling import accelerate
from boxmask_vid.modeling.backbone import ChannelMapper
from boxmask_vid.modeling.fast import restore
from boxmask_vid.modeling.layers import TemporalROIAlign
from support.small import clip, frame, small_model

pytestmark = pytest.mark.usefixtures("float64_boxes")

KINDS = ["selsa", "troi", "boxmask"]
SIZES = {"equal": ({}, {}), "different": ({}, {"height": 96, "width": 64})}


def both(kind: str, *opts: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A model in float64, accelerated and not."""
    model = small_model(kind, *opts).double()
    paper = small_model(kind, *opts, "MODEL.VID.ACCELERATE", False).double()
    paper.load_state_dict(model.state_dict())
    return model, paper


def double(sample: dict) -> dict:
    sample = {**sample, "image": sample["image"].double()}
    if "reference_images" in sample:
        sample["reference_images"] = [image.double() for image in sample["reference_images"]]
    return sample


def detections(model: torch.nn.Module, batches: list[list[dict]]) -> list:
    model.eval()
    with torch.no_grad():
        return [found["instances"] for batch in batches for found in model(batch)]


def assert_same(ours: list, papers: list, tolerance: float = 1e-9) -> None:
    assert len(ours) == len(papers)
    for left, right in zip(ours, papers, strict=True):
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
    for sample in batch:
        del sample["video_id"]
    assert_same(*(detections(model, [batch]) for model in both(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_references_encoded_one_by_one(kind: str):
    batches = [[double(frame(0, references=5))], [double(frame(1))]]
    model, paper = both(kind, "MODEL.VID.TEST.REFERENCES_AT_ONCE", 2)
    assert_same(detections(model, batches), detections(paper, batches))


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_changes_what_is_kept_and_not_what_is_found(kind: str, mode: str):
    batches = [[double(frame(i, references=5 if i == 0 else None))] for i in range(3)]
    if mode == "fixed":
        batches[2] = [double(frame(2, references=1))]
    opts = ("MODEL.VID.TEST.REFERENCES", mode)
    model, paper = both(kind, *opts, "MODEL.VID.TEST.MEMORY.BUDGET_MB", 0.1)
    unlimited, _ = both(kind, *opts)
    assert_same(detections(model, batches), detections(paper, batches))
    assert_same(detections(unlimited, batches), detections(paper, batches))
    kept, all_of_it = (
        sum(reference.nbytes for reference in budgeted.reference_memory.videos[1])
        for budgeted in (model, unlimited)
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
    for one in (model, half):
        kept = []
        one.roi_heads.box_predictor.register_forward_pre_hook(
            lambda _, inputs, kept=kept: kept.append(inputs[0])
        )
        detections(one, batches)
        features.append(torch.cat(kept))
    assert half.reference_memory.videos[1][0].attention_kv[0][0].dtype == getattr(torch, precision)
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
        memory = model.reference_memory.videos
        assert list(memory) == [1]
        kept.append(sum(reference.nbytes for reference in memory[1]))
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
            losses = model([double(sample) for sample in copy.deepcopy(BATCHES[name])])
        sum(losses.values()).backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        results.append({**losses, **gradients})
    ours, papers = results
    assert set(ours) == set(papers)
    for name, expected in papers.items():
        scale = expected.abs().max().clamp(min=1).item()
        torch.testing.assert_close(ours[name], expected, rtol=0, atol=1e-9 * scale, msg=name)


def test_parameters_keep_their_names_and_their_random_numbers():
    model, paper = (small_model("boxmask", "MODEL.VID.ACCELERATE", flag) for flag in (True, False))
    ours, papers = model.state_dict(), paper.state_dict()
    assert list(ours) == list(papers)
    assert all(torch.equal(ours[name], tensor) for name, tensor in papers.items())


def test_maps_and_weights_are_channels_last_on_cpus():
    backbone = small_model("selsa").backbone.train()
    maps = backbone(torch.randn(2, 3, 64, 96))["c5"]
    convs = backbone.channel_mapper, *(block.conv2 for block in backbone.bottom_up.res5)
    for tensor in (maps, *(conv.weight for conv in convs)):
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_a_derived_module_stays_as_it_is():
    class OwnMapper(ChannelMapper):
        pass

    model = small_model("selsa", "MODEL.VID.ACCELERATE", False)
    model.backbone.channel_mapper.__class__ = OwnMapper
    assert type(accelerate(model).backbone.channel_mapper) is OwnMapper


def test_a_module_can_be_left_out():
    model, paper = both("selsa")
    restore(model, "ChannelMappedBackboneFast")
    assert type(model.backbone) is type(paper.backbone)
    with pytest.raises(InputError, match="'Fast' is not a fast module of this model: use"):
        restore(model, "Fast")


def test_other_poolers_keep_the_papers_temporal_roi_align():
    """Boxes of another RoIAlign are not the sums that the fast one interpolates with."""
    opts = ("MODEL.ROI_BOX_HEAD.POOLER_TYPE", "ROIAlign")
    model, paper = both("troi", *opts)
    assert type(model.roi_heads.temporal_roi_align) is TemporalROIAlign
    batches = [[double(frame(index, references=2 if index == 0 else None))] for index in range(2)]
    assert_same(detections(model, batches), detections(paper, batches))
