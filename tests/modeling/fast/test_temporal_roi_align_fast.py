"""Accelerated Temporal RoI Align against the formulation of the paper."""

import pytest
import torch
from torchvision.ops import roi_align

from boxmask_vid.modeling.fast import largest_sums
from boxmask_vid.modeling.fast.roi_align_weights import roi_align_weights
from boxmask_vid.modeling.fast.sparse_row_sum import SparseRowSum
from boxmask_vid.modeling.fast.temporal_roi_align import TemporalROIAlignFast
from boxmask_vid.modeling.layers import TemporalROIAlign
from support.temporal_roi_align import random_boxes, random_maps, run, troi


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("references", [0, 1, 3])
@pytest.mark.parametrize(("heads", "ratio", "k"), [(4, 2, 2), (4, 0, 1), (2, 1, 3), (0, 2, 2)])
def test_troi_and_its_gradients_are_those_of_the_papers_formulation(references, heads, ratio, k):
    key, *maps = random_maps(references)
    boxes = random_boxes(20)
    results = []
    for kind in (TemporalROIAlignFast, TemporalROIAlign):
        layer = troi(kind, heads=heads, ratio=ratio, k=k).train()
        leaves = [frame.clone().requires_grad_() for frame in (key, *maps)]
        out = run(layer, leaves[0], boxes, leaves[1:], ratio=ratio)
        weight = torch.sin(torch.arange(out.numel(), dtype=out.dtype)).view_as(out)
        gradients = torch.autograd.grad(out, [*leaves, *layer.parameters()], weight)
        with torch.no_grad():
            results.append([out, run(layer.eval(), key, boxes, maps, ratio=ratio), *gradients])
    for ours, papers in zip(*results, strict=True):
        torch.testing.assert_close(ours, papers, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ratio", [0, 1, 2, 3])
def test_roi_align_is_interpolation(ratio: int):
    features = torch.rand(1, 4, 6, 8).double()
    boxes = torch.cat([random_boxes(40), torch.tensor([[0.0, 0, 128, 96], [5, 5, 5, 5]])])
    expected = roi_align(features, [boxes], 7, 1 / 16, ratio, aligned=True)
    position, weight = roi_align_weights(
        boxes, map_size=(6, 8), output_size=7, spatial_scale=1 / 16, sampling_ratio=ratio
    )
    cells = (features[0].flatten(1)[:, position.long()] * weight).sum(dim=-1)
    torch.testing.assert_close(cells.transpose(0, 1), expected)


def test_sparse_row_sums_are_the_product_with_a_sparse_matrix():
    table = torch.rand(6, 3).double()
    weight = torch.tensor([0.5, 0, 2, 0, 0, 1]).double()
    rows = SparseRowSum(torch.tensor([0, 1, 5, 2, 2, 3]), weight, torch.tensor([0, 3, 3, 5]))
    expected = torch.stack([table[0] / 2 + table[5] * 2, table[0] * 0, table[0] * 0, table[3]])
    torch.testing.assert_close(rows.of(table), expected)
    torch.testing.assert_close(rows.without_zeros().of(table), expected)
    assert len(rows.without_zeros().index) == 3
    nothing = SparseRowSum(rows.index[:0], weight[:0], rows.offsets[:0])
    assert nothing.of(table).shape == (0, 3)


@pytest.mark.parametrize("at_once", [1, 100, 2**20])
def test_similarities_in_parts(at_once: int, monkeypatch: pytest.MonkeyPatch):
    key, *maps = random_maps(2)
    boxes = random_boxes(5)
    expected = run(troi(TemporalROIAlign), key, boxes, maps)
    monkeypatch.setattr(largest_sums, "kernels", dict)  # as without Numba
    monkeypatch.setattr(largest_sums, "AT_ONCE", {"cpu": at_once, "cuda": 1})
    with torch.no_grad():
        torch.testing.assert_close(run(troi(), key, boxes, maps), expected)


def test_equally_similar_cells():
    """Where cells are the same, which of them is taken does not matter; all-zero ones neither."""
    key, reference = random_maps(1)
    reference[:, 2:] = reference[:, :1, :1]
    key[:, :3] = 0
    boxes = random_boxes(12)
    torch.testing.assert_close(
        run(troi(), key, boxes, [reference, key * 0]),
        run(troi(TemporalROIAlign), key, boxes, [reference, key * 0]),
    )


@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_projections(dtype: torch.dtype, error: float):
    layer = troi(channels=32)
    key, *maps = random_maps(3, channels=32)
    boxes = random_boxes(20)
    expected = run(troi(TemporalROIAlign, channels=32), key, boxes, maps)
    rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
    with torch.no_grad():
        references = [layer.encode(frame[None])[0].to(dtype) for frame in maps]
        out = layer(rois, boxes, layer.encode(key[None])[0], references)
    assert references[0].conv_projections.dtype == dtype
    assert 0 < (out - expected).abs().max() < error


def test_training_keeps_no_projections():
    """Neither in the encoded frame nor for the gradient, where they are 9 times a map."""
    layer = troi(channels=32).train()
    key, reference = random_maps(1, channels=32)
    assert layer.encode(reference[None])[0].conv_projections is None
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda saved: saved):
        run(layer, key.requires_grad_(), random_boxes(2), [reference.requires_grad_()])
    rows = {saved.shape[0] for saved in kept if saved.dim() == 2}
    assert reference[0].numel() in rows
    assert not {frame[0].numel() * 9 for frame in (key, reference)} & rows


def test_projections_that_are_not_kept_are_computed_again():
    layer = troi()
    key, *maps = random_maps(2)
    boxes = random_boxes(5)
    expected = run(layer, key, boxes, maps)
    rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
    references = [layer.encode(frame[None])[0] for frame in maps]
    references[1] = references[1].without_projections()
    assert references[1].nbytes < references[0].nbytes
    out = layer(rois, boxes, layer.encode(key[None])[0], references)
    torch.testing.assert_close(out, expected)


def test_troi_on_a_map_with_fewer_cells_than_it_looks_for():
    key, only = torch.rand(8, 6, 8).double(), torch.rand(8, 1, 1).double()
    boxes = random_boxes(4)
    ours, papers = (
        run(troi(kind, heads=0), key, boxes, [only])
        for kind in (TemporalROIAlignFast, TemporalROIAlign)
    )
    torch.testing.assert_close(ours, papers)
