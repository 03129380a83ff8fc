"""Temporal RoI Align against the reference implementation."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from boxmask_vid.modeling.plain import PlainTemporalROIAlign
from support.golden import close, converted, equal, load, part
from support.parity_models import TROI, leaf, roi_heads, rois_of


class RecordTopk(TorchFunctionMode):
    """Recorder of what ``Tensor.topk`` returns."""

    def __init__(self):
        super().__init__()
        self.results = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.topk:
            self.results.append(result)
        return result


FAST, PLAIN = "TemporalROIHeads", "PlainTemporalROIHeads"


def troi_heads(
    similar: int, heads: int, case: dict[str, torch.Tensor], name: str
) -> torch.nn.Module:
    built = roi_heads(
        TROI,
        16,
        *("MODEL.ROI_HEADS.NAME", name),
        *("MODEL.VID.TROI.NUM_MOST_SIMILAR", similar, "MODEL.VID.TROI.NUM_HEADS", heads),
    )
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
    if isinstance(troi, PlainTemporalROIAlign):
        return troi(pooled, boxes[0].tensor, None, maps)
    encoded = [troi.encode(reference[None])[0] for reference in maps]
    return troi(pooled, boxes[0].tensor, troi.encode(feature)[0], encoded)


@pytest.mark.parametrize("name", [FAST, PLAIN])
@pytest.mark.parametrize(("similar", "heads"), [(1, 4), (2, 4), (4, 4), (2, 0)])
def test_temporal_roi_align(similar: int, heads: int, name: str):
    case = load("temporal_roi_align")
    golden = part(case, f"K{similar}_nb{heads}/")
    built = troi_heads(similar, heads, case, name)
    maps = case["ref_feats"].unbind()
    close(run_troi(built, case, case["feat"], maps), golden["full"])
    # without references nothing is added
    close(run_troi(built, case, case["feat"], ()), case["roi_feats"])
    if name == PLAIN:
        troi, pooled = built.temporal_roi_align, case["roi_feats"]
        found = torch.stack([troi.most_similar(pooled, reference) for reference in maps])
        close(found, golden["most_similar"])
        if heads:  # there is no attention to be recorded for the plain mean
            close(troi.aggregate(torch.cat([pooled[None], golden["most_similar"]])), golden["taf"])


@pytest.mark.parametrize("name", [FAST, PLAIN])
def test_temporal_roi_align_finds_the_same_cells(name: str):
    case = load("temporal_roi_align")
    built = troi_heads(2, 4, case, name)
    with RecordTopk() as record, torch.no_grad():
        run_troi(built, case, case["feat"], case["ref_feats"].unbind())
    values, indices = (torch.stack(result, dim=1) for result in zip(*record.results, strict=True))
    if name == FAST:  # before they are divided by the norms of the RoI cells
        values /= case["roi_feats"].permute(0, 2, 3, 1).flatten(0, 2).norm(dim=1)[:, None, None]
    close(values[..., :2], case["topk_values"])  # the third shows ties
    equal(indices[..., :2], case["topk_indices"])


@pytest.mark.parametrize("name", [FAST, PLAIN])
def test_temporal_roi_align_gradients(name: str):
    case = load("temporal_roi_align")
    heads = troi_heads(2, 4, case, name)
    feature, references = leaf(case["feat"]), leaf(case["ref_feats"])
    run_troi(heads, case, feature, references.unbind()).backward(case["grad_out"])
    close(feature.grad, case["grad_feat"])
    close(references.grad, case["grad_refs"])
    theirs, ours = "detector.roi_head.bbox_roi_extractor.", "roi_heads.temporal_roi_align."
    gradients = converted(case, theirs, ours, "grad")
    assert set(gradients) == {"embed.weight", "embed.bias"}
    for name, gradient in gradients.items():
        close(heads.temporal_roi_align.get_parameter(name).grad, gradient)
