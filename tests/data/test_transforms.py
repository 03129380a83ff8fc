import cv2
import numpy as np
import pytest
from detectron2.data import transforms as T

from boxmask_vid.data import ResizeToFit
from boxmask_vid.data.transforms import CV2ResizeTransform, fitted_size


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (720, 1280, (563, 1000)),
        (600, 1000, (600, 1000)),
        (480, 480, (600, 600)),
        (1000, 100, (1000, 100)),
    ],
)
def test_the_image_fits_both_ways_round(height: int, width: int, expected: tuple):
    assert fitted_size(height, width, 600, 1000) == expected


def test_pixels_are_opencvs():
    picture = np.random.default_rng(0).integers(0, 256, (54, 96, 3), dtype=np.uint8)
    resized = ResizeToFit((24,), 40).get_transform(picture).apply_image(picture)
    assert resized.shape == (23, 40, 3)
    assert np.array_equal(resized, cv2.resize(picture, (40, 23), interpolation=cv2.INTER_LINEAR))
    pil = T.ResizeShortestEdge([24], 40, "choice").get_transform(picture).apply_image(picture)
    assert pil.shape == resized.shape
    assert np.abs(pil.astype(int) - resized).max() > 10


def test_boxes_masks_and_inverse():
    transform = CV2ResizeTransform(50, 100, 25, 60)
    assert transform.apply_box(np.array([10.0, 10, 20, 30])).tolist() == [[6, 5, 12, 15]]
    mask = np.zeros((50, 100), np.uint8)
    mask[10:30, 10:20] = 1
    assert set(np.unique(transform.apply_segmentation(mask))) == {0, 1}
    assert transform.inverse().apply_coords(np.array([[6.0, 5.0]])).tolist() == [[10, 10]]


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_boxes_of_whole_numbers_are_scaled_like_others(dtype: type):
    boxes = np.array([[100, 50, 300, 200]], dtype=dtype)
    for size in ((600, 800), (60, 80)):
        scaled = CV2ResizeTransform(375, 500, *size).apply_box(boxes)
        expected = np.array([100, 50, 300, 200]) * size[0] / 375
        np.testing.assert_allclose(scaled[0], expected, rtol=1e-6)
        assert scaled.dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_no_resizing_and_a_choice_of_sizes():
    picture = np.zeros((30, 40, 3), np.uint8)
    assert ResizeToFit((0,), 1000).get_transform(picture).apply_image(picture) is picture
    np.random.seed(0)
    resize = ResizeToFit((15, 60), 1000)
    heights = {resize.get_transform(picture).new_height for _ in range(20)}
    assert heights == {15, 60}
