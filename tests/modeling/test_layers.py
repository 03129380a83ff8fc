import pytest
import torch
from torchvision.ops import roi_align

from boxmask_vid.modeling.layers import (
    SelsaAggregator,
    TemporalROIAlign,
    WeightedRows,
    roi_align_weights,
)
from boxmask_vid.modeling.plain import PlainTemporalROIAlign


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def selsa_formula(layer: SelsaAggregator, key: torch.Tensor, reference: torch.Tensor):
    """Head by head, as the paper writes it."""
    size = key.shape[1] // layer.num_heads
    query, keys, values = layer.query(key), layer.key(reference), layer.value(reference)
    heads = []
    for start in range(0, key.shape[1], size):
        part = slice(start, start + size)
        similarity = query[:, part] @ keys[:, part].t() / size**0.5
        heads.append(similarity.softmax(dim=1) @ values[:, part])
    return layer.output(torch.cat(heads, dim=1))


def troi_formula(layer: TemporalROIAlign, rois: torch.Tensor, maps: list[torch.Tensor]):
    """Cell by cell."""
    frames = [rois]
    for each in maps:
        similar = torch.zeros_like(rois)
        cells = each.flatten(1)
        for roi, y, x in torch.cartesian_prod(*map(torch.arange, (len(rois), *rois.shape[2:]))):
            cell = rois[roi, :, y, x]
            cosine = torch.cosine_similarity(cell[:, None], cells, dim=0)
            best = cosine.topk(layer.num_most_similar)
            similar[roi, :, y, x] = cells[:, best.indices] @ best.values.softmax(dim=0)
        frames.append(similar)
    frames = torch.stack(frames)
    embedded = torch.stack([layer.embed(each) for each in frames])
    out = torch.zeros_like(rois)
    for part in torch.arange(rois.shape[1]).chunk(layer.num_heads):
        score = (embedded[:, :, part] * embedded[:1, :, part]).sum(2) / len(part) ** 0.5
        out[:, part] = (frames[:, :, part] * score.softmax(dim=0)[:, :, None]).sum(dim=0)
    return out


def test_selsa_is_the_formula_of_the_paper():
    layer = SelsaAggregator(channels=24, num_heads=4).double()
    key, reference = torch.randn(5, 24).double(), torch.randn(11, 24).double()
    torch.testing.assert_close(
        layer(key, *layer.project(reference)), selsa_formula(layer, key, reference)
    )


@pytest.mark.parametrize(("keys", "references"), [(0, 4), (4, 0), (0, 0)])
def test_selsa_without_rois_reaches_all_parameters(keys: int, references: int):
    layer = SelsaAggregator(channels=8, num_heads=2)
    out = layer(torch.randn(keys, 8), *layer.project(torch.randn(references, 8)))
    assert out.shape == (keys, 8)
    assert out.isfinite().all()
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def troi(kind: type = TemporalROIAlign, *, channels: int = 8, heads: int = 4, ratio: int = 2, k=2):
    torch.manual_seed(1)
    layer = kind(
        channels=channels,
        num_most_similar=k,
        num_heads=heads,
        spatial_scale=1 / 16,
        sampling_ratio=ratio,
    )
    return layer.double().eval()


def random_boxes(count: int, height: int = 96, width: int = 128) -> torch.Tensor:
    """Of all sizes, some at the border."""
    limit = torch.tensor([width, height] * 2).double()
    centre = torch.rand(count, 2).double().repeat(1, 2) * limit
    half = torch.exp(torch.rand(count, 2).double() * 4.5)
    return (centre + torch.cat([-half, half], dim=1)).clamp(min=torch.zeros(4)).minimum(limit)


def run(layer, key: torch.Tensor, boxes: torch.Tensor, maps: list[torch.Tensor], size: int = 7):
    """Temporal RoI Align of a key frame (C, h, w)."""
    rois = roi_align(key[None], [boxes], size, 1 / 16, layer.sampling_ratio, aligned=True)
    if isinstance(layer, PlainTemporalROIAlign):
        return layer(rois, boxes, None, maps)
    references = [layer.encode(each[None])[0] for each in maps]
    return layer(rois, boxes, layer.encode(key[None])[0], references)


def random_maps(references: int, channels: int = 8) -> list[torch.Tensor]:
    """A key frame and references of other sizes."""
    return [
        torch.rand(channels, 6 - each % 3, 8 - each % 2).double() for each in range(references + 1)
    ]


def test_troi_is_the_formula_of_the_paper():
    key, *maps = random_maps(2)
    boxes = random_boxes(3)
    rois = roi_align(key[None], [boxes], 3, 1 / 16, 2, aligned=True)
    expected = troi_formula(troi(), rois, maps)
    for kind in (TemporalROIAlign, PlainTemporalROIAlign):
        torch.testing.assert_close(run(troi(kind), key, boxes, maps, size=3), expected)


@pytest.mark.parametrize("references", [0, 1, 3])
@pytest.mark.parametrize(("heads", "ratio", "k"), [(4, 2, 2), (4, 0, 1), (2, 1, 3), (0, 2, 2)])
def test_troi_and_its_gradients_are_those_of_the_plain_formulation(references, heads, ratio, k):
    key, *maps = random_maps(references)
    boxes = random_boxes(20)
    results = []
    for kind in (TemporalROIAlign, PlainTemporalROIAlign):
        layer = troi(kind, heads=heads, ratio=ratio, k=k).train()
        leaves = [each.clone().requires_grad_() for each in (key, *maps)]
        out = run(layer, leaves[0], boxes, leaves[1:])
        weight = torch.sin(torch.arange(out.numel(), dtype=out.dtype)).view_as(out)
        gradients = torch.autograd.grad(out, [*leaves, *layer.parameters()], weight)
        with torch.no_grad():
            results.append([out, run(layer.eval(), key, boxes, maps), *gradients])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-9)


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


def test_weighted_rows_are_the_product_with_a_sparse_matrix():
    table = torch.rand(6, 3).double()
    weight = torch.tensor([0.5, 0, 2, 0, 0, 1]).double()
    rows = WeightedRows(torch.tensor([0, 1, 5, 2, 2, 3]), weight, torch.tensor([0, 3, 3, 5]))
    expected = torch.stack([table[0] / 2 + table[5] * 2, table[0] * 0, table[0] * 0, table[3]])
    torch.testing.assert_close(rows.of(table), expected)
    torch.testing.assert_close(rows.without_zeros().of(table), expected)
    assert len(rows.without_zeros().index) == 3
    torch.testing.assert_close(torch.cat([part.of(table) for part in rows.split(3)]), expected)
    nothing = WeightedRows(rows.index[:0], weight[:0], rows.offsets[:0])
    assert nothing.of(table).shape == (0, 3)


@pytest.mark.parametrize("at_once", [1, 100, 2**20])
def test_similarities_in_parts(at_once: int, monkeypatch: pytest.MonkeyPatch):
    key, *maps = random_maps(2)
    boxes = random_boxes(5)
    expected = run(troi(PlainTemporalROIAlign), key, boxes, maps)
    monkeypatch.setattr(TemporalROIAlign, "_AT_ONCE", {"cpu": at_once, "cuda": 1})
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
        run(troi(PlainTemporalROIAlign), key, boxes, [reference, key * 0]),
    )


def test_cells_that_pad_a_batch_are_never_similar():
    layer = troi()
    reference = random_maps(0)[0]
    padded = torch.nn.functional.pad(reference, (0, 3, 0, 2), value=9.0)
    cropped = layer.encode(padded[None])[0].crop(*reference.shape[1:])
    alone = layer.encode(reference[None])[0]
    assert cropped.size == alone.size
    for name in ("unit", "norm", "taps"):
        torch.testing.assert_close(getattr(cropped, name), getattr(alone, name))


@pytest.mark.parametrize(("dtype", "error"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
def test_half_precision_projections(dtype: torch.dtype, error: float):
    layer = troi(channels=32)
    key, *maps = random_maps(3, channels=32)
    boxes = random_boxes(20)
    expected = run(troi(PlainTemporalROIAlign, channels=32), key, boxes, maps)
    rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
    with torch.no_grad():
        references = [layer.encode(each[None])[0].to(dtype) for each in maps]
        out = layer(rois, boxes, layer.encode(key[None])[0], references)
    assert references[0].taps.dtype == dtype
    assert 0 < (out - expected).abs().max() < error


def test_training_keeps_no_projections():
    """Neither in the encoded frame nor for the gradient, where they are 9 times a map."""
    layer = troi(channels=32).train()
    key, reference = random_maps(1, channels=32)
    assert layer.encode(reference[None])[0].taps is None
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda each: each):
        run(layer, key.requires_grad_(), random_boxes(2), [reference.requires_grad_()])
    rows = {each.shape[0] for each in kept if each.dim() == 2}
    assert reference[0].numel() in rows
    assert not {each[0].numel() * 9 for each in (key, reference)} & rows


def test_projections_that_are_not_kept_are_computed_again():
    layer = troi()
    key, *maps = random_maps(2)
    boxes = random_boxes(5)
    expected = run(layer, key, boxes, maps)
    rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
    references = [layer.encode(each[None])[0] for each in maps]
    references[1] = references[1].without_taps()
    assert references[1].nbytes < references[0].nbytes
    out = layer(rois, boxes, layer.encode(key[None])[0], references)
    torch.testing.assert_close(out, expected)


def test_troi_is_finite_where_a_reference_cell_is_all_zero():
    for kind in (TemporalROIAlign, PlainTemporalROIAlign):
        key, reference = (each.requires_grad_() for each in random_maps(1))
        dead = reference * (torch.arange(reference.shape[1]) > 0)[:, None]
        out = run(troi(kind), key * (torch.arange(8) > 3), random_boxes(6), [dead])
        out.sum().backward()
        assert out.isfinite().all()
        assert reference.grad.isfinite().all()
        assert key.grad.isfinite().all()


def test_troi_on_a_map_with_fewer_cells_than_it_looks_for():
    key, only = torch.rand(8, 6, 8).double(), torch.rand(8, 1, 1).double()
    boxes = random_boxes(4)
    ours, plain = (
        run(troi(kind, heads=0), key, boxes, [only])
        for kind in (TemporalROIAlign, PlainTemporalROIAlign)
    )
    torch.testing.assert_close(ours, plain)


@pytest.mark.parametrize("kind", [TemporalROIAlign, PlainTemporalROIAlign])
@pytest.mark.parametrize("references", [0, 2])
def test_troi_without_rois_or_references_reaches_all_parameters(kind: type, references: int):
    layer = troi(kind)
    key, *maps = random_maps(references)
    for rois in (0, 3):
        layer.zero_grad()
        out = run(layer, key, random_boxes(rois), maps)
        assert out.shape == (rois, 8, 7, 7)
        out.sum().backward()
        assert all(parameter.grad is not None for parameter in layer.parameters())


def test_autocast_keeps_similarity_and_softmax_in_float32():
    selsa = SelsaAggregator(channels=32, num_heads=2)
    key, reference = torch.randn(6, 32) * 30, torch.randn(9, 32) * 30
    with torch.autocast("cpu", torch.bfloat16):
        # half-precision inputs, exact attention: compare with float32 attention of the same inputs
        query, keys, values = selsa.query(key), *selsa.project(reference)
        attended = selsa._attend(query, keys, values)
    exact = selsa._attend(query.float(), keys.float(), values.float())
    torch.testing.assert_close(attended.float(), exact, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", [TemporalROIAlign, PlainTemporalROIAlign])
def test_autocast_keeps_troi_close_to_float32(kind: type):
    layer = troi(kind, channels=32, heads=2).float()
    key, *maps = (each.bfloat16() for each in random_maps(2, channels=32))
    boxes = random_boxes(6).float()
    expected = run(layer, key.float(), boxes, [each.float() for each in maps])
    rois = roi_align(key.float()[None], [boxes], 7, 1 / 16, 2, aligned=True).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        if kind is PlainTemporalROIAlign:
            out = layer(rois, boxes, None, maps)
        else:
            own = layer.encode(key[None])[0]
            assert own.unit.dtype == torch.float32
            out = layer(rois, boxes, own, [layer.encode(each[None])[0] for each in maps])
    assert out.dtype == torch.bfloat16
    # rounding changes which cell is the second best now and then
    assert (out - expected).abs().mean() < 1e-2


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        SelsaAggregator(channels=10, num_heads=4)
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        troi(channels=10, heads=4)
