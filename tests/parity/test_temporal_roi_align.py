"""Temporal RoI Align against the reference implementation."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from boxmask_vid.modeling.fast.largest_sums import LargestSums
from support.golden import close, converted, equal, load, part
from support.parity_models import TROI, leaf, roi_heads, rois_of


class RecordGather(TorchFunctionMode):
    """Record values and positions of ``Tensor.gather``."""

    def __init__(self):
        super().__init__()
        self.results = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.gather:
            self.results.append((result, args[2]))
        return result


BOTH = pytest.mark.parametrize("accelerated", [True, False], ids=["accelerated", "papers"])


def troi_heads(
    similar: int, heads: int, case: dict[str, torch.Tensor], accelerated: bool
) -> torch.nn.Module:
    opts = ("MODEL.VID.TROI.NUM_MOST_SIMILAR", similar, "MODEL.VID.TROI.NUM_HEADS", heads)
    built = roi_heads(TROI, 16, *opts, accelerated=accelerated)
    if heads:
        theirs = "detector.roi_head.bbox_roi_extractor."
        weights = converted(case, theirs, "roi_heads.temporal_roi_align.")
        built.temporal_roi_align.load_state_dict(weights)
    return built


def run_troi(
    built: torch.nn.Module, case: dict, feature: torch.Tensor, maps: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    boxes = rois_of(case["rois"], 1)
    pooled = built.box_pooler([feature], boxes)
    close(pooled, case["roi_feats"])
    troi = built.temporal_roi_align
    encoded = [troi.encode(frame[None])[0] for frame in maps]
    return troi(pooled, boxes[0].tensor, troi.encode(feature)[0], encoded)


@BOTH
@pytest.mark.parametrize(("similar", "heads"), [(1, 4), (2, 4), (4, 4), (2, 0)])
def test_temporal_roi_align(similar: int, heads: int, accelerated: bool):
    case = load("temporal_roi_align")
    golden = part(case, f"K{similar}_nb{heads}/")
    built = troi_heads(similar, heads, case, accelerated)
    maps = case["ref_feats"].unbind()
    close(run_troi(built, case, case["feat"], maps), golden["full"])
    # without references nothing is added
    close(run_troi(built, case, case["feat"], ()), case["roi_feats"])
    if not accelerated:
        troi, pooled = built.temporal_roi_align, case["roi_feats"]
        found = torch.stack([troi.most_similar_roi_align(pooled, frame) for frame in maps])
        close(found, golden["most_similar"])
        if heads:  # the plain mean has no recorded attention
            close(troi.aggregate(torch.cat([pooled[None], golden["most_similar"]])), golden["taf"])


@BOTH
def test_temporal_roi_align_finds_the_same_cells(
    accelerated: bool, monkeypatch: pytest.MonkeyPatch
):
    case = load("temporal_roi_align")
    built = troi_heads(2, 4, case, accelerated)
    results = []

    def largest(*args):
        results.append(search(*args))
        return results[-1]

    search = LargestSums.of
    monkeypatch.setattr(LargestSums, "of", largest)
    with RecordGather() as record, torch.no_grad():
        run_troi(built, case, case["feat"], case["ref_feats"].unbind())
    results = results if accelerated else record.results
    values, indices = (torch.stack(kept, dim=1) for kept in zip(*results, strict=True))
    if accelerated:  # before they are divided by the norms of the RoI cells
        values /= case["roi_feats"].permute(0, 2, 3, 1).flatten(0, 2).norm(dim=1)[:, None, None]
    close(values, case["topk_values"])
    equal(indices, case["topk_indices"])


@BOTH
def test_temporal_roi_align_gradients(accelerated: bool):
    case = load("temporal_roi_align")
    heads = troi_heads(2, 4, case, accelerated)
    feature, references = leaf(case["feat"]), leaf(case["ref_feats"])
    run_troi(heads, case, feature, references.unbind()).backward(case["grad_out"])
    close(feature.grad, case["grad_feat"])
    close(references.grad, case["grad_refs"])
    theirs, ours = "detector.roi_head.bbox_roi_extractor.", "roi_heads.temporal_roi_align."
    gradients = converted(case, theirs, ours, "grad")
    assert set(gradients) == {"embed.weight", "embed.bias"}
    for name, gradient in gradients.items():
        close(heads.temporal_roi_align.get_parameter(name).grad, gradient)
