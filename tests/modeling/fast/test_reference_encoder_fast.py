"""How many reference frames go through the backbone together."""

from __future__ import annotations

import pytest
import torch

from support.pretended_gpu import PretendedGpu, on_cpu, to_gpu
from support.small import frame, small_model


def room_for(model: torch.nn.Module, count: int) -> list[int]:
    """Let a GPU have room for so many frames; the sizes of the batches that were tried."""
    tried = []

    def look(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        tried.append(len(inputs[0]))
        if tried[-1] > count:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model.backbone.register_forward_pre_hook(look)
    return tried


def detections(model: torch.nn.Module, *, video_id: int = 0, references: int = 7) -> torch.Tensor:
    sample = frame(0, references=references) | {"video_id": video_id}
    with torch.no_grad():
        (result,) = model([sample])
    return on_cpu(result["instances"].pred_boxes.tensor)


def test_a_gpu_takes_as_many_as_fit_and_remembers_the_number():
    expected = detections(small_model("selsa").eval())
    model = to_gpu(small_model("selsa").eval())
    tried = room_for(model, 3)
    with PretendedGpu():
        found = detections(model)
        assert tried == [7, 3, 3, 1, 1]  # the last one is the key frame
        tried.clear()
        detections(model, video_id=1)
    assert tried == [3, 3, 1, 1]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-2)


def test_a_video_of_few_references_is_no_limit_to_the_next_one():
    model = to_gpu(small_model("selsa").eval())
    tried = room_for(model, 7)
    with PretendedGpu():
        for video_id, references in enumerate((0, 2, 7)):
            detections(model, video_id=video_id, references=references)
    assert tried == [1, 2, 1, 7, 1]


def test_a_cpu_takes_one():
    model = small_model("selsa").eval()
    tried = room_for(model, 7)
    detections(model)
    assert tried == [1] * 8


@pytest.mark.parametrize(
    ("opts", "count"), [((), 0), (("MODEL.VID.TEST.REFERENCES_AT_ONCE", 4), 3)]
)
def test_what_cannot_be_halved_is_an_error(opts: tuple, count: int):
    model = to_gpu(small_model("selsa", *opts).eval())
    room_for(model, count)
    with PretendedGpu(), pytest.raises(torch.OutOfMemoryError):
        detections(model)
