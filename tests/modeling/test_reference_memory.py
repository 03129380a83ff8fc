import pytest
import torch

from boxmask_vid.modeling import ReferenceMemory, References
from boxmask_vid.modeling.layers import FrameCells


def frames(*numbers: int) -> list[References]:
    return [
        References(
            [(torch.full((1, 1), float(n)),) * 2], [FrameCells((1, 1), *[torch.tensor([n])] * 3)]
        )
        for n in numbers
    ]


def numbers(references: References) -> list[int]:
    from_maps = [int(each.norm) for each in references.maps]
    assert next(iter(references.stages))[0][:, 0].tolist() == from_maps
    return from_maps


def recall(memory, key: int, arrived=None, video="a", index=None) -> list[int]:
    recalled = memory.recall(
        frames(key)[0],
        video_id=video,
        frame_index=key if index is None else index,
        arrived=None if arrived is None else frames(*arrived),
    )
    return numbers(References.cat(recalled))


def test_adaptive_adds_the_key_frame_to_the_references_of_the_video():
    memory = ReferenceMemory("adaptive")
    assert recall(memory, 0, [0, 5, 9]) == [0, 5, 9, 0]
    assert recall(memory, 1) == [0, 5, 9, 1]
    assert recall(memory, 2) == [0, 5, 9, 2]


def test_fixed_slides_and_puts_the_key_frame_into_the_middle():
    memory = ReferenceMemory("fixed")
    assert recall(memory, 0, [0, 0, 0, 1, 2]) == [0, 0, 0, 1, 2]
    assert recall(memory, 1, [3]) == [0, 0, 1, 2, 3]
    assert recall(memory, 2, [4]) == [0, 1, 2, 3, 4]


def test_fixed_with_a_stride_does_not_keep_the_key_frames_it_passes():
    memory = ReferenceMemory("fixed")
    assert recall(memory, 0, [0, 0, 0, 2, 4]) == [0, 0, 0, 2, 4]
    assert recall(memory, 1) == [0, 0, 1, 2, 4]
    assert recall(memory, 2, [6]) == [0, 0, 2, 4, 6]
    assert recall(memory, 3) == [0, 0, 3, 4, 6]


def test_online_has_the_past_and_what_is_known_of_the_future():
    memory = ReferenceMemory("online", policy="sliding", capacity=2)
    assert recall(memory, 0, [1, 2]) == [1, 2, 0]
    assert recall(memory, 1, [3]) == [0, 2, 3, 1]
    assert recall(memory, 2, []) == [0, 1, 3, 2]
    assert recall(memory, 3) == [1, 2, 3]


def test_online_keeps_to_precision_and_budget():
    (frame,) = frames(1)
    for budget, taps in ((-1, True), (0, False)):
        memory = ReferenceMemory("online", precision="float16", budget_mb=budget, capacity=2)
        for index in range(4):
            memory.recall(frame, video_id=1, frame_index=index, arrived=[])
        kept = list(memory._frames[1])
        assert len(kept) == 2
        assert kept[0].stages[0][0].dtype == torch.float16
        assert all((each.maps[0].taps is not None) == taps for each in kept)


@pytest.mark.parametrize("mode", ReferenceMemory.MODES)
def test_a_video_that_starts_again_forgets(mode: str):
    memory = ReferenceMemory(mode)
    recall(memory, 0, [1, 2, 3])
    assert sorted(set(recall(memory, 0, [7, 8, 9]))) in ([0, 7, 8, 9], [0, 7, 9])


@pytest.mark.parametrize("mode", ReferenceMemory.MODES)
def test_without_video_nothing_is_remembered(mode: str):
    memory = ReferenceMemory(mode)
    assert recall(memory, 3, None, video=None) == [3]
    assert 3 in recall(memory, 3, [1, 2, 4], video=None)
    assert recall(memory, 5, None, video=None) == [5]


@pytest.mark.parametrize("mode", ReferenceMemory.MODES)
def test_a_video_with_no_references_is_its_own(mode: str):
    memory = ReferenceMemory(mode)
    assert recall(memory, 0, []) == [0]
    assert recall(memory, 1) == [1]


def test_an_unknown_video_is_an_error():
    memory = ReferenceMemory("adaptive")
    recall(memory, 0, [1])
    with pytest.raises(KeyError, match="Video 'b', frame 4: its reference frames are not known"):
        recall(memory, 4, video="b")


def test_videos_that_are_not_read_any_more_are_forgotten():
    memory = ReferenceMemory("adaptive")
    recall(memory, 0, [1])
    recall(memory, 0, [2], video="b")
    memory.keep_only(["b"])
    assert recall(memory, 1, video="b") == [2, 1]
    with pytest.raises(KeyError):
        recall(memory, 1)


def test_mode_must_be_known():
    with pytest.raises(ValueError, match=r"MODEL\.VID\.TEST\.REFERENCES is 'nearest'"):
        ReferenceMemory("nearest")
    with pytest.raises(
        ValueError, match=r"MEMORY\.PRECISION is 'int4', must be one of full, float16"
    ):
        ReferenceMemory("fixed", precision="int4")


def test_a_frame_that_is_there_several_times_is_kept_once():
    memory = ReferenceMemory("fixed", precision="float16", budget_mb=0)
    (frame,) = frames(1)
    memory.recall(frame, video_id=1, frame_index=0, arrived=[frame] * 3)
    kept = memory._frames[1]
    assert kept[0] is kept[1] is kept[2]
    assert kept[0].stages[0][0].dtype == torch.float16
