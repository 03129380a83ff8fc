import gc
import weakref
from collections import Counter

import pytest

from boxmask_vid.errors import InputError
from boxmask_vid.references import OnlineReferences
from boxmask_vid.references.online import PAST_POLICIES


class Frame:
    """A frame that can be watched."""

    def __init__(self, number: int) -> None:
        self.number = number


def read(policy: OnlineReferences, count: int, lookahead: int = 0) -> list[list[int]]:
    """References of every frame of a video of ``count`` frames, besides itself."""
    steps = []
    for index in range(count):
        first = 1 if index == 0 else max(lookahead, 1)
        new = range(index + first, min(index + lookahead, count - 1) + 1)
        *references, key = policy.references_for(Frame(index), [Frame(number) for number in new])
        assert key.number == index
        steps.append([frame.number for frame in references])
    return steps


def test_a_sliding_memory_has_the_newest_frames():
    assert read(OnlineReferences("sliding", num_references=3), 6) == [
        *([], [0], [0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]),
    ]


def test_a_sliding_memory_with_a_stride():
    steps = read(OnlineReferences("sliding", num_references=2, stride=2), 6)
    assert steps == [[], [0], [0], [0, 2], [0, 2], [2, 4]]


@pytest.mark.parametrize("lookahead", [1, 2, 9])
def test_the_future_is_known_as_far_as_the_lookahead(lookahead):
    count, policy = 6, OnlineReferences("sliding", num_references=1)
    for index, references in enumerate(read(policy, count, lookahead)):
        future = list(range(index + 1, min(index + lookahead, count - 1) + 1))
        assert references == [*([index - 1] if index else []), *future]


def test_a_reservoir_is_a_uniform_sample_of_the_past():
    steps = read(OnlineReferences("reservoir", num_references=400), 4000)
    for index, references in enumerate(steps):
        assert len(set(references)) == len(references) == min(index, 400)
        assert all(0 <= frame < index for frame in references)
    quarters = Counter(frame // 1000 for frame in steps[-1])
    assert [quarters[quarter] for quarter in range(4)] == pytest.approx([100] * 4, abs=25)


def test_every_video_gets_the_same_draws():
    videos = [read(OnlineReferences("reservoir", num_references=3), 40) for _ in range(2)]
    assert videos[0] == videos[1]


@pytest.mark.parametrize("policy", PAST_POLICIES)
def test_memory_is_bounded_over_ten_thousand_frames(policy):
    online = OnlineReferences(policy, num_references=4)
    alive = weakref.WeakSet()
    for index in range(10_000):
        key, future = Frame(index), Frame(index + 1)
        alive.update((key, future))
        assert len(online.references_for(key, [future])) <= 6
        del key, future
        assert len(alive) <= 6
    gc.collect()
    assert len(alive) == len(online.kept) == 5


def test_no_capacity_keeps_nothing():
    for policy in PAST_POLICIES:
        assert read(OnlineReferences(policy, num_references=0), 3) == [[], [], []]


def test_the_policy_must_be_known():
    with pytest.raises(InputError, match=r"MODEL\.VID\.TEST\.ONLINE\.POLICY is 'fifo'"):
        OnlineReferences("fifo", num_references=1)
