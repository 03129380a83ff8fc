import pytest
import torch
from torchvision.ops import roi_align

from boxmask_vid.modeling.fast.temporal_roi_align import TemporalROIAlignFast
from boxmask_vid.modeling.layers import SelsaAggregator, TemporalROIAlign
from support.temporal_roi_align import random_boxes, random_maps, run, troi

KINDS = [TemporalROIAlign, TemporalROIAlignFast]


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
    for reference in maps:
        similar = torch.zeros_like(rois)
        cells = reference.flatten(1)
        for roi, y, x in torch.cartesian_prod(*map(torch.arange, (len(rois), *rois.shape[2:]))):
            cell = rois[roi, :, y, x]
            cosine = torch.cosine_similarity(cell[:, None], cells, dim=0)
            best = cosine.topk(layer.num_most_similar)
            similar[roi, :, y, x] = cells[:, best.indices] @ best.values.softmax(dim=0)
        frames.append(similar)
    frames = torch.stack(frames)
    embedded = torch.stack([layer.embed(frame) for frame in frames])
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
    key, *maps = random_maps(2)
    boxes = random_boxes(3)
    rois = roi_align(key[None], [boxes], 3, 1 / 16, 2, aligned=True)
    expected = troi_formula(troi(), rois, maps)
    for kind in KINDS:
        torch.testing.assert_close(run(troi(kind, size=3), key, boxes, maps, size=3), expected)


def test_troi_is_finite_where_a_reference_cell_is_all_zero():
    for kind in KINDS:
        key, reference = (frame.requires_grad_() for frame in random_maps(1))
        dead = reference * (torch.arange(reference.shape[1]) > 0)[:, None]
        out = run(troi(kind), key * (torch.arange(8) > 3), random_boxes(6), [dead])
        out.sum().backward()
        assert out.isfinite().all()
        assert reference.grad.isfinite().all()
        assert key.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
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


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_troi_are_the_same_each_time_with_several_threads(kind: type):
    """Threads that add to a cell in any order round differently."""
    layer = troi(kind, channels=64, heads=2).float()
    maps, boxes = [frame.float() for frame in random_maps(3, channels=64)], random_boxes(40).float()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, *others = (gradients(layer, boxes, maps) for _ in range(5))
    finally:
        torch.set_num_threads(threads)
    for other in others:
        assert all(map(torch.equal, other, first))


def gradients(layer: TemporalROIAlign, boxes: torch.Tensor, maps: list) -> tuple:
    """Those of the maps and the parameters for the sum of squares of a layer's output."""
    leaves = [frame.clone().requires_grad_() for frame in maps]
    out = run(layer, leaves[0], boxes, leaves[1:])
    return torch.autograd.grad(out.square().sum(), [*leaves, *layer.parameters()])


def test_autocast_keeps_similarity_and_softmax_in_float32():
    selsa = SelsaAggregator(channels=32, num_heads=2)
    for linear in (selsa.query, selsa.output):  # half-precision inputs, exact attention
        torch.nn.init.eye_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    query, keys, values = (torch.randn(rois, 32).mul(30).bfloat16() for rois in (6, 9, 9))
    with torch.autocast("cpu", torch.bfloat16):
        attended = selsa(query, keys, values)
    exact = selsa(query.float(), keys.float(), values.float())
    torch.testing.assert_close(attended.float(), exact, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_keeps_troi_close_to_float32(kind: type):
    layer = troi(kind, channels=32, heads=2).float()
    key, *maps = (frame.bfloat16() for frame in random_maps(2, channels=32))
    boxes = random_boxes(6).float()
    expected = run(layer, key.float(), boxes, [frame.float() for frame in maps])
    rois = roi_align(key.float()[None], [boxes], 7, 1 / 16, 2, aligned=True).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        own, *references = (layer.encode(frame[None])[0] for frame in (key, *maps))
        out = layer(rois, boxes, own, references)
    assert out.dtype == torch.bfloat16
    # rounding changes which cell is the second best now and then
    assert (out - expected).abs().mean() < 1e-2


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        SelsaAggregator(channels=10, num_heads=4)
    with pytest.raises(ValueError, match=r"channels \(10\) divisible by heads \(4\)"):
        troi(channels=10, heads=4)
    with pytest.raises(ValueError, match=r"divisible by heads \(0\)"):
        SelsaAggregator(channels=10, num_heads=0)


def test_at_least_one_cell_is_taken():
    with pytest.raises(ValueError, match="1 or more most similar cells, not 0"):
        TemporalROIAlign(channels=10, num_most_similar=0, num_heads=0)
