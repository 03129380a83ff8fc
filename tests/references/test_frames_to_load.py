import random

import pytest

from boxmask_vid.data.reference_sampler import (
    adaptive_stride,
    bilateral_uniform,
    fixed_stride_step,
    fixed_stride_window,
    online_lookahead,
)


def test_bilateral_draws_one_from_each_side_within_range():
    rng = random.Random(0)
    seen = set()
    for _ in range(500):
        before, after = bilateral_uniform(20, 100, 2, 9, rng)
        assert 11 <= before <= 19
        assert 21 <= after <= 29
        seen |= {before, after}
    assert seen == {*range(11, 20), *range(21, 30)}


@pytest.mark.parametrize(
    ("frame", "length", "expected"), [(0, 100, 1), (99, 100, 1), (0, 1, 0), (1, 2, 1), (1, 3, 2)]
)
def test_bilateral_at_the_ends_of_a_video(frame: int, length: int, expected: int):
    drawn = bilateral_uniform(frame, length, 2, 9, random.Random(0))
    assert len(drawn) == expected
    assert frame not in drawn
    assert all(0 <= each < length for each in drawn)


def test_bilateral_is_without_replacement_and_sorted():
    assert bilateral_uniform(2, 5, 4, 9, random.Random(0)) == [0, 1, 3, 4]
    assert bilateral_uniform(2, 5, 0, 9, random.Random(0)) == []


def test_adaptive_spreads_over_the_video():
    assert adaptive_stride(8, 14) == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]
    assert adaptive_stride(1, 14) == [0] * 14
    assert adaptive_stride(27, 14) == list(range(0, 27, 2))
    assert adaptive_stride(100, 1) == [49]
    assert adaptive_stride(100, 0) == []


def test_adaptive_rounds_half_to_even():
    assert adaptive_stride(6, 3) == [0, 2, 5]  # 2.5
    assert adaptive_stride(8, 3) == [0, 4, 7]  # 3.5


@pytest.mark.parametrize(
    ("length", "number", "stride"), [(8, 4, 1), (9, 6, 2), (3, 4, 1), (40, 14, 3)]
)
def test_fixed_window_is_what_surrounds_the_key_frame(length: int, number: int, stride: int):
    window = fixed_stride_window(length, number, stride)
    assert len(window) == number + 1
    for frame in range(1, length):
        arriving = fixed_stride_step(frame, length, number, stride)
        window = [*window, *arriving][-(number + 1) :]
        if frame % stride == 0:
            half = number // 2
            around = [frame + i * stride for i in range(-half, half + 1)]
            assert window == [min(max(each, 0), length - 1) for each in around]
        else:
            assert arriving == []


def test_every_frame_of_the_future_comes_once():
    for lookahead in (0, 1, 3, 20):
        known = set()
        for frame in range(10):
            new = online_lookahead(frame, 10, lookahead, frame == 0)
            assert not known & set(new)
            known |= set(new)
            expected = set(range(1, min(frame + lookahead, 9) + 1)) if lookahead else set()
            assert known == expected
