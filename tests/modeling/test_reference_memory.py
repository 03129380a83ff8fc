import pytest
import torch

from boxmask_vid.modeling import ReferenceMemory
from boxmask_vid.modeling.encoded_frame import References
from boxmask_vid.modeling.fast.conv_projections import ConvProjections
from boxmask_vid.modeling.fast.frame_features import FrameFeatures
from boxmask_vid.references import AdaptiveReferences, FixedReferences, OnlineReferences

POLICIES = {
    "adaptive": lambda: AdaptiveReferences(3),
    "fixed": lambda: FixedReferences(4, 1),
    "online": lambda: OnlineReferences("sliding", num_references=2),
}


def frames(*numbers: int) -> list[References]:
    return [
        References(
            [(torch.full((1, 1), float(number)),) * 2],
            [_features(number)],
        )
        for number in numbers
    ]


def _features(number: int) -> FrameFeatures:
    tensor = torch.tensor([number])
    return FrameFeatures((1, 1), tensor, tensor, ConvProjections(tensor))


def numbers(references: References) -> list[int]:
    from_maps = [int(features.norm) for features in references.maps]
    assert next(iter(references.attention_kv))[0][:, 0].tolist() == from_maps
    return from_maps


def look(memory, key: int, new=None, video="a", index=None) -> list[int]:
    """References of a key frame."""
    references = memory.references_for(
        frames(key)[0],
        video_id=video,
        frame_index=key if index is None else index,
        new_references=None if new is None else frames(*new),
    )
    return numbers(References.cat(references))


def test_adaptive_adds_the_key_frame_to_the_references_of_the_video():
    memory = ReferenceMemory(POLICIES["adaptive"]())
    assert look(memory, 0, [0, 5, 9]) == [0, 5, 9, 0]
    assert look(memory, 1) == [0, 5, 9, 1]
    assert look(memory, 2) == [0, 5, 9, 2]


def test_fixed_slides_and_puts_the_key_frame_into_the_middle():
    memory = ReferenceMemory(POLICIES["fixed"]())
    assert look(memory, 0, [0, 0, 0, 1, 2]) == [0, 0, 0, 1, 2]
    assert look(memory, 1, [3]) == [0, 0, 1, 2, 3]
    assert look(memory, 2, [4]) == [0, 1, 2, 3, 4]


def test_fixed_with_a_stride_does_not_keep_the_key_frames_it_passes():
    memory = ReferenceMemory(POLICIES["fixed"]())
    assert look(memory, 0, [0, 0, 0, 2, 4]) == [0, 0, 0, 2, 4]
    assert look(memory, 1) == [0, 0, 1, 2, 4]
    assert look(memory, 2, [6]) == [0, 0, 2, 4, 6]
    assert look(memory, 3) == [0, 0, 3, 4, 6]


def test_online_has_the_past_and_what_is_known_of_the_future():
    memory = ReferenceMemory(POLICIES["online"]())
    assert look(memory, 0, [1, 2]) == [1, 2, 0]
    assert look(memory, 1, [3]) == [0, 2, 3, 1]
    assert look(memory, 2, []) == [0, 1, 3, 2]
    assert look(memory, 3) == [1, 2, 3]


def test_online_keeps_to_precision_and_budget():
    (frame,) = frames(1)
    for budget, projected in ((-1, True), (0, False)):
        memory = ReferenceMemory(POLICIES["online"](), precision="float16", budget_mb=budget)
        for index in range(4):
            memory.references_for(frame, video_id=1, frame_index=index, new_references=[])
        kept = memory.videos[1]
        assert len(kept) == 2
        assert kept[0].attention_kv[0][0].dtype == torch.float16
        assert all((ref.maps[0].conv_projections is not None) == projected for ref in kept)


@pytest.mark.parametrize("mode", POLICIES)
def test_a_video_that_starts_again_forgets(mode: str):
    memory = ReferenceMemory(POLICIES[mode]())
    look(memory, 0, [1, 2, 3])
    assert sorted(set(look(memory, 0, [7, 8, 9]))) in ([0, 7, 8, 9], [0, 7, 9])


@pytest.mark.parametrize("mode", POLICIES)
def test_without_video_nothing_is_remembered(mode: str):
    memory = ReferenceMemory(POLICIES[mode]())
    assert look(memory, 3, None, video=None) == [3]
    assert 3 in look(memory, 3, [1, 2, 4], video=None)
    assert look(memory, 5, None, video=None) == [5]


@pytest.mark.parametrize("mode", POLICIES)
def test_a_video_with_no_references_is_its_own(mode: str):
    memory = ReferenceMemory(POLICIES[mode]())
    assert look(memory, 0, []) == [0]
    assert look(memory, 1) == ([0, 1] if mode == "online" else [1])


def test_an_unknown_video_is_an_error():
    memory = ReferenceMemory(POLICIES["adaptive"]())
    look(memory, 0, [1])
    with pytest.raises(KeyError, match="Video 'b', frame 4: its reference frames are not known"):
        look(memory, 4, video="b")


def test_videos_that_are_not_read_any_more_are_forgotten():
    memory = ReferenceMemory(POLICIES["adaptive"]())
    look(memory, 0, [1])
    look(memory, 0, [2], video="b")
    memory.retain(["b"])
    assert look(memory, 1, video="b") == [2, 1]
    with pytest.raises(KeyError):
        look(memory, 1)


def test_the_precision_must_be_known():
    with pytest.raises(ValueError, match=r"PRECISION is 'int4': choose one of full, float16"):
        ReferenceMemory(POLICIES["fixed"](), precision="int4")


def test_a_frame_that_is_there_several_times_is_kept_once():
    memory = ReferenceMemory(POLICIES["fixed"](), precision="float16", budget_mb=0)
    (frame,) = frames(1)
    memory.references_for(frame, video_id=1, frame_index=0, new_references=[frame] * 3)
    kept = memory.videos[1]
    assert kept[0] is kept[1] is kept[2]
    assert kept[0].attention_kv[0][0].dtype == torch.float16
