import pytest
import torch

from boxmask_vid.modeling.layers import SelsaAggregator, TemporalROIAlign


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


def test_troi_is_the_formula_of_the_paper():
    layer = TemporalROIAlign(channels=8, num_most_similar=2, num_heads=4).double()
    rois = torch.rand(3, 8, 3, 3).double()
    maps = [torch.rand(8, 5, 6).double(), torch.rand(8, 4, 7).double()]
    torch.testing.assert_close(layer(rois, maps), troi_formula(layer, rois, maps))


def test_troi_without_heads_is_the_mean_of_the_frames():
    layer = TemporalROIAlign(channels=8, num_most_similar=2, num_heads=0)
    rois, maps = torch.rand(3, 8, 2, 2), [torch.rand(8, 5, 6) for _ in range(3)]
    frames = torch.stack([rois, *(layer.most_similar(rois, each) for each in maps)])
    torch.testing.assert_close(layer(rois, maps), frames.mean(dim=0))


def test_troi_is_finite_where_a_reference_cell_is_all_zero():
    layer = TemporalROIAlign(channels=4, num_most_similar=2, num_heads=2)
    reference = torch.rand(4, 3, 3, requires_grad=True)
    dead = reference * torch.tensor([0.0, 1, 1]).view(1, 3, 1)
    rois = torch.rand(2, 4, 2, 2)
    rois[0] = 0
    out = layer(rois, [dead])
    out.sum().backward()
    assert out.isfinite().all()
    assert reference.grad.isfinite().all()


def test_troi_on_a_map_with_fewer_cells_than_it_looks_for():
    layer = TemporalROIAlign(channels=4, num_most_similar=2, num_heads=2)
    rois, only = torch.rand(2, 4, 2, 2), torch.rand(4, 1, 1)
    torch.testing.assert_close(layer.most_similar(rois, only), only.expand(2, 4, 2, 2))


@pytest.mark.parametrize("frames", [0, 2])
def test_troi_without_rois_or_references_reaches_all_parameters(frames: int):
    layer = TemporalROIAlign(channels=4, num_most_similar=2, num_heads=2)
    for rois in (0, 3):
        layer.zero_grad()
        out = layer(torch.rand(rois, 4, 7, 7), [torch.rand(4, 5, 5)] * frames)
        assert out.shape == (rois, 4, 7, 7)
        out.sum().backward()
        assert all(parameter.grad is not None for parameter in layer.parameters())


def test_autocast_keeps_similarity_and_softmax_in_float32():
    selsa = SelsaAggregator(channels=32, num_heads=2)
    troi = TemporalROIAlign(channels=32, num_most_similar=2, num_heads=2)
    key, reference = torch.randn(6, 32) * 30, torch.randn(9, 32) * 30
    rois, maps = torch.rand(4, 32, 3, 3), [torch.rand(32, 6, 6)]
    with torch.autocast("cpu", torch.bfloat16):
        # half-precision inputs, exact attention: compare with float32 attention of the same inputs
        query, keys, values = selsa.query(key), *selsa.project(reference)
        attended = selsa._attend(query, keys, values)
        similar = troi.most_similar(rois.bfloat16(), maps[0].bfloat16())
    exact = selsa._attend(query.float(), keys.float(), values.float())
    torch.testing.assert_close(attended.float(), exact, rtol=1e-2, atol=1e-2)
    expected = troi.most_similar(rois.bfloat16().float(), maps[0].bfloat16().float())
    torch.testing.assert_close(similar.float(), expected, rtol=2e-2, atol=2e-2)


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        SelsaAggregator(channels=10, num_heads=4)
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        TemporalROIAlign(channels=10, num_most_similar=2, num_heads=4)
