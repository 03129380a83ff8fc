import numpy as np
import torch
from detectron2.structures import BitMasks

from boxmask_vid.structures import BoxMasks


def random_intervals(rng: np.random.Generator, count: int, length: int, whole: bool) -> np.ndarray:
    ends = rng.uniform(0, length, (count, 2))
    return np.sort(ends.round() if whole else ends, axis=1)


def random_boxes(rng: np.random.Generator, count: int, size: tuple, whole: bool) -> torch.Tensor:
    y, x = (random_intervals(rng, count, side, whole) for side in size)
    return torch.tensor(np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)).float()


def test_crop_and_resize_gives_the_pixels_of_rasterised_masks():
    rng = np.random.default_rng(0)
    for _ in range(30):
        size = tuple(rng.integers(40, 300, 2).tolist())
        masks = BoxMasks(random_boxes(rng, 20, size, whole=True), size)
        for boxes in (
            random_boxes(rng, 20, size, whole=False),
            masks.tensor,
            (masks.tensor + torch.tensor(rng.normal(0, 3, (20, 4))).float()).clamp(0, min(size)),
        ):
            expected = BitMasks(masks.rasterize()).crop_and_resize(boxes, 28)
            torch.testing.assert_close(masks.crop_and_resize(boxes, 28), expected)


def test_border_of_a_padded_canvas_counts():
    rectangle = torch.tensor([[10.0, 10, 30, 30]])  # up to the edge of a 30 x 30 image
    boxes = torch.tensor([[25.0, 10, 30, 30]])
    for canvas in ((30, 30), (32, 32)):
        masks = BoxMasks(rectangle, canvas)
        expected = BitMasks(masks.rasterize()).crop_and_resize(boxes, 7)
        torch.testing.assert_close(masks.crop_and_resize(boxes, 7), expected)


def test_from_bitmaps_and_rasterize_are_inverse():
    masks = BoxMasks(torch.tensor([[2, 3, 9, 8], [0, 0, 0, 0], [0, 0, 12, 10]]), (10, 12))
    again = BoxMasks.from_bitmaps(list(masks.rasterize().numpy()), (10, 12))
    torch.testing.assert_close(again.tensor, masks.tensor)
    assert masks.nonempty().tolist() == [True, False, True]


def test_indexing_keeps_canvas_and_no_mask_is_fine():
    masks = BoxMasks(torch.tensor([[2, 3, 9, 8], [1, 1, 4, 4]]), (10, 12))
    chosen = masks[torch.tensor([False, True])]
    assert chosen.tensor.tolist() == [[1, 1, 4, 4]]
    assert chosen.canvas_size == (10, 12)
    none = masks[torch.zeros(2, dtype=torch.bool)]
    assert none.crop_and_resize(torch.zeros(0, 4), 28).shape == (0, 28, 28)
