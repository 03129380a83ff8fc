"""Projections of the cells of reference frames that are computed when they are needed."""

import pytest
import torch
from torchvision.ops import roi_align

from boxmask_vid.modeling.fast.conv_projections import ConvProjections
from support.temporal_roi_align import random_boxes, random_maps, run, troi


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def _with_three_of_five_cells() -> tuple[ConvProjections, torch.Tensor]:
    table = torch.rand(5 * 9, 4)
    projections = ConvProjections.empty(5, 4, table.dtype)
    for position in (torch.tensor([3]), torch.tensor([0, 4])):
        projections.add(position, table.view(5, 9, 4)[position].flatten(0, 1))
    return projections, table


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_is_missing_and_where_the_rest_is(dtype: torch.dtype):
    projections, table = _with_three_of_five_cells()
    projections = projections.to(dtype)
    assert projections.missing(torch.tensor([[4, 1], [1, 2]], dtype=torch.int32)).tolist() == [1, 2]
    assert not len(projections.missing(torch.tensor([0, 3])))
    assert projections.count == 3
    place = projections.place(torch.tensor([[4, 3], [0, 0]], dtype=torch.int32))
    found = projections.table.view(5, 9, 4)[place.long()]
    assert torch.equal(found, table.to(dtype).view(5, 9, 4)[torch.tensor([[4, 3], [0, 0]])])
    assert projections.nbytes == table.to(dtype).nbytes


def test_nothing_is_copied_to_the_same_precision():
    projections, _ = _with_three_of_five_cells()
    half = projections.to(torch.float16)
    assert half.to(torch.float16) is half


def test_a_whole_table_misses_nothing():
    table = torch.rand(5 * 9, 4)
    position = torch.tensor([2, 4], dtype=torch.int32)
    for projections in (ConvProjections(table), ConvProjections(table).to(torch.float16)):
        assert projections.count == 5
        assert not len(projections.missing(position))
        assert torch.equal(projections.place(position), position)


def test_only_similar_cells_of_a_reference_are_projected_and_once():
    layer = troi(channels=32)
    key, *maps = random_maps(3, channels=32)
    with torch.no_grad():
        references = [layer.encode(frame[None])[0] for frame in maps]
        stores = [frame.conv_projections for frame in references]
        assert [store.count for store in stores] == [0, 0, 0]
        for boxes in (random_boxes(1), random_boxes(1), random_boxes(20)):
            expected = run(layer, key, boxes, maps)
            rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
            counts = [store.count for store in stores]
            for _ in range(2):  # a second time, nothing is missing
                own = layer.encode(key[None])[0]
                out = layer(rois, boxes, own, references)
                torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
            again = [store.count for store in stores]
            assert all(before <= after for before, after in zip(counts, again, strict=True))
            assert all(
                store.count <= len(frame.unit)
                for store, frame in zip(stores, references, strict=True)
            )
        assert sum(counts) < sum(len(frame.unit) for frame in references)


def test_a_frame_is_the_same_to_the_bit_whatever_came_before():
    layer = troi(channels=64).float()
    key, *maps = (frame.float() for frame in random_maps(3, channels=64))
    boxes = random_boxes(20).float()
    found = []
    with torch.no_grad():
        for earlier in ([], [1], [2, 3, 1]):
            references = [layer.encode(frame[None])[0] for frame in maps]
            for part in [boxes[:count] for count in earlier] + [boxes]:
                rois = roi_align(key[None], [part], 7, 1 / 16, 2, aligned=True)
                out = layer(rois, part, layer.encode(key[None])[0], references)
            found.append(out)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_references_encoded_in_inference_mode_serve_outside_of_it():
    layer = troi()
    key, *maps = random_maps(2)
    boxes = random_boxes(5)
    expected = run(layer, key, boxes, maps)
    rois = roi_align(key[None], [boxes], 7, 1 / 16, 2, aligned=True)
    with torch.inference_mode():
        own, *references = (layer.encode(frame[None])[0] for frame in (key, *maps))
        torch.testing.assert_close(layer(rois[:2], boxes[:2], own, references), expected[:2])
    with torch.no_grad():
        torch.testing.assert_close(layer(rois, boxes, own, references), expected)


def test_memory_that_is_not_needed_is_not_taken():
    """A table's pages are taken when they are written to."""
    before = _resident_bytes()
    projections = ConvProjections.empty(10_000, 512, torch.float32)
    assert projections.nbytes > 180e6
    projections.add(torch.arange(100), torch.ones(900, 512))
    assert _resident_bytes() - before < 20e6


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
