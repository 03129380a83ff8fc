from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler

from boxmask_vid.data import ResumableSampler, VideoInferenceSampler

VIDEOS = ["a"] * 7 + ["b"] * 2 + [None] * 3 + ["c"] * 5 + ["d"] * 6


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_whole_videos_in_order_and_every_frame_once(ranks: int):
    parts = [list(VideoInferenceSampler(VIDEOS, rank, ranks)) for rank in range(ranks)]
    assert sorted(index for part in parts for index in part) == list(range(len(VIDEOS)))
    for video in "abcd":
        holders = [part for part in parts if any(VIDEOS[index] == video for index in part)]
        assert len(holders) == 1
    for rank, part in enumerate(parts):
        assert part == sorted(part)
        assert len(VideoInferenceSampler(VIDEOS, rank, ranks)) == len(part)


def test_videos_are_left_out_when_all_of_their_frames_are_finished():
    finished = [video in ("a", None) for video in VIDEOS]
    finished[VIDEOS.index("c")] = True
    left = [list(VideoInferenceSampler(VIDEOS, rank, 2, finished)) for rank in range(2)]
    expected = [index for index, video in enumerate(VIDEOS) if video in ("b", "c", "d")]
    assert sorted(index for part in left for index in part) == expected
    assert list(VideoInferenceSampler(VIDEOS, 0, 1, [True] * len(VIDEOS))) == []


def test_ranks_are_balanced_by_frames():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 500, 200)
    videos = [number for number, length in enumerate(lengths) for _ in range(length)]
    loads = [len(VideoInferenceSampler(videos, rank, 4)) for rank in range(4)]
    assert max(loads) - min(loads) < 0.01 * sum(loads)


def stream(
    first_batch: int = 0, groups: np.ndarray | None = None, batch_size: int = 3
) -> ResumableSampler:
    sampler = ResumableSampler(
        TrainingSampler(10, seed=4), 10, batch_size=batch_size, groups=groups
    )
    sampler.first_batch = first_batch
    return sampler


GROUPS = np.array([0, 1, 0, 1, 1, 0, 0, 0, 1, 0])


@pytest.mark.parametrize("groups", [None, GROUPS])
@pytest.mark.parametrize("first_batch", [1, 5, 17])
def test_starting_in_the_middle_gives_the_same_stream(groups, first_batch: int):
    whole = list(islice(stream(groups=groups), 200))
    rest = list(islice(stream(first_batch, groups), 200 - 3 * first_batch))
    assert whole[3 * first_batch :] == rest


def test_positions_differ_and_items_are_those_of_the_sampler():
    yielded = list(islice(stream(), 60))
    assert len(set(yielded)) == 60
    assert [number % 10 for number in yielded] == list(
        islice(iter(TrainingSampler(10, seed=4)), 60)
    )
    assert [number // 10 for number in yielded] == list(range(60))


def test_batches_have_one_shape_and_nothing_is_lost():
    yielded = [number % 10 for number in islice(stream(groups=GROUPS), 600)]
    for batch in zip(*[iter(yielded)] * 3, strict=True):
        assert len({GROUPS[item] for item in batch}) == 1
    counts = Counter(yielded)
    assert set(counts) == set(range(10))
    assert max(counts.values()) - min(counts.values()) <= 2


def test_mixing_ratio_of_detectron2s_samplers():
    factors = torch.tensor([1.0] * 5 + [3.0] * 5)
    sampler = ResumableSampler(RepeatFactorTrainingSampler(factors, seed=0), 10, batch_size=2)
    yielded = list(islice(sampler, 4000))
    assert len(set(yielded)) == 4000
    share = sum(number % 10 >= 5 for number in yielded) / 4000
    assert share == pytest.approx(0.75, abs=0.02)
