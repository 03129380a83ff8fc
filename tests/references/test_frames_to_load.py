import random

import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.references import (
    AdaptiveReferences,
    BilateralUniformSampler,
    FixedReferences,
    OnlineReferences,
    build_reference_policy,
)
from support.small import small_cfg


def bilateral(frame: int, length: int, number: int, rng: random.Random) -> list[int]:
    return BilateralUniformSampler(number, 9)(frame, length, rng)


def evenly_spread(length: int, number: int) -> list[int]:
    return AdaptiveReferences(number).frames_to_load(0, length, is_first=True)


def test_bilateral_draws_one_from_each_side_within_range():
    rng = random.Random(0)
    seen = set()
    for _ in range(500):
        before, after = bilateral(20, 100, 2, rng)
        assert 11 <= before <= 19
        assert 21 <= after <= 29
        seen |= {before, after}
    assert seen == {*range(11, 20), *range(21, 30)}


@pytest.mark.parametrize(
    ("frame", "length", "expected"), [(0, 100, 1), (99, 100, 1), (0, 1, 0), (1, 2, 1), (1, 3, 2)]
)
def test_bilateral_at_the_ends_of_a_video(frame: int, length: int, expected: int):
    drawn = bilateral(frame, length, 2, random.Random(0))
    assert len(drawn) == expected
    assert frame not in drawn
    assert all(0 <= number < length for number in drawn)


def test_bilateral_is_without_replacement_and_sorted():
    assert bilateral(2, 5, 4, random.Random(0)) == [0, 1, 3, 4]
    assert bilateral(2, 5, 0, random.Random(0)) == []


def test_adaptive_spreads_over_the_video():
    assert evenly_spread(8, 14) == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]
    assert evenly_spread(1, 14) == [0] * 14
    assert evenly_spread(27, 14) == list(range(0, 27, 2))
    assert evenly_spread(100, 1) == [49]
    assert evenly_spread(100, 0) == []


def test_adaptive_rounds_half_to_even():
    assert evenly_spread(6, 3) == [0, 2, 5]  # 2.5
    assert evenly_spread(8, 3) == [0, 4, 7]  # 3.5


@pytest.mark.parametrize(
    ("length", "number", "stride"), [(8, 4, 1), (9, 6, 2), (3, 4, 1), (40, 14, 3)]
)
def test_fixed_window_is_what_surrounds_the_key_frame(length: int, number: int, stride: int):
    policy = FixedReferences(number, stride)
    window = policy.frames_to_load(0, length, is_first=True)
    assert len(window) == number + 1
    for frame in range(1, length):
        arriving = policy.frames_to_load(frame, length, is_first=False) or []
        window = [*window, *arriving][-(number + 1) :]
        if frame % stride == 0:
            half = number // 2
            around = [frame + i * stride for i in range(-half, half + 1)]
            assert window == [min(max(place, 0), length - 1) for place in around]
        else:
            assert arriving == []


def test_every_frame_of_the_future_comes_once():
    for lookahead in (0, 1, 3, 20):
        policy, known = OnlineReferences("sliding", num_references=2, lookahead=lookahead), set()
        for frame in range(10):
            new = policy.frames_to_load(frame, 10, is_first=frame == 0)
            assert not known & set(new)
            known |= set(new)
            expected = set(range(1, min(frame + lookahead, 9) + 1)) if lookahead else set()
            assert known == expected


def test_adaptive_references_are_loaded_with_the_first_frame_only():
    policy = AdaptiveReferences(3)
    assert policy.frames_to_load(4, 9, is_first=True) == [0, 4, 8]
    assert policy.frames_to_load(5, 9, is_first=False) is None


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        (("REFERENCES", "nearest"), "is 'nearest': choose one of adaptive, fixed, online"),
        (("NUM_REFERENCES", -1), "NUM_REFERENCES is -1: it must be 0 or more"),
        (("REFERENCES", "fixed", "NUM_REFERENCES", 3), "is 3: it must be an even number"),
        (("REFERENCES", "online", "ONLINE.LOOKAHEAD", -2), "LOOKAHEAD is -2: it must be 0 or more"),
        (("REFERENCES", "fixed", "STRIDE", 0), "STRIDE is 0: it must be 1 or more"),
        (("REFERENCES", "online", "STRIDE", -2), "STRIDE is -2: it must be 1 or more"),
        (("REFERENCES", "online", "ONLINE.POLICY", "fifo"), "'fifo': choose one of reservoir"),
    ],
)
def test_impossible_options_get_a_sentence(opts: tuple, message: str):
    opts = [f"MODEL.VID.TEST.{opt}" if i % 2 == 0 else opt for i, opt in enumerate(opts)]
    with pytest.raises(InputError, match=message):
        build_reference_policy(small_cfg("selsa", *opts))
