"""Key frames in batches against one at a time: equal detections, and no memory that stays."""

import pytest
import torch

from boxmask_vid.errors import InputError
from support.small import frame, small_cfg, small_model

pytestmark = pytest.mark.usefixtures("float64_boxes")

POLICIES = {
    "adaptive": [5, None, None, None, None, None, None],
    "fixed": [5, 1, 1, 1, 1, 1, 1],
    "online": [2, 1, 1, 1, 1, 0, 0],  # with a lookahead of 2 frames
}


def model_of(kind: str, policy: str, *opts: object) -> torch.nn.Module:
    opts = ("MODEL.VID.TEST.REFERENCES", policy, "MODEL.VID.TEST.ONLINE.LOOKAHEAD", 2, *opts)
    return small_model(kind, *opts).double().eval()


def video(policy: str) -> list[dict]:
    samples = []
    for index, count in enumerate(POLICIES[policy]):
        sample = frame(index, references=count)
        sample["image"] = sample["image"].double()
        if count is not None:
            # other images than those that came before
            images = [frame(10 * index + number, 2)["image"] for number in range(count)]
            sample["reference_images"] = [image.double() for image in images]
        samples.append(sample)
    return samples


def found(model: torch.nn.Module, samples: list[dict], at_once: int) -> list:
    with torch.no_grad():
        return [
            output["instances"]
            for start in range(0, len(samples), at_once)
            for output in model(samples[start : start + at_once])
        ]


@pytest.mark.parametrize("accelerate", [True, False])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["selsa", "boxmask"])
def test_frames_of_a_video_at_once(kind: str, policy: str, accelerate: bool):
    """7 frames: 3, 3 and the last one; and more at once than there are."""
    opts = ("MODEL.VID.ACCELERATE", accelerate)
    alone = found(model_of(kind, policy, *opts), video(policy), 1)
    for at_once in (3, 8):
        together = found(model_of(kind, policy, *opts), video(policy), at_once)
        for left, right in zip(together, alone, strict=True):
            assert len(left)
            assert left.pred_classes.tolist() == right.pred_classes.tolist()
            torch.testing.assert_close(left.scores, right.scores, rtol=0, atol=1e-9)
            boxes = left.pred_boxes.tensor, right.pred_boxes.tensor
            torch.testing.assert_close(*boxes, rtol=0, atol=1e-9)


def tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    parts = value if isinstance(value, list | tuple) else getattr(value, "__dict__", {}).values()
    return [tensor for part in parts for tensor in tensors(part)]


@pytest.mark.parametrize("accelerate", [True, False])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_frame_that_is_kept_does_not_keep_those_beside_it(policy: str, accelerate: bool):
    opts = ("MODEL.VID.ACCELERATE", accelerate, "MODEL.VID.TEST.REFERENCES_AT_ONCE", 3)
    model = model_of("boxmask", policy, *opts)
    found(model, video(policy), 3)
    kept = model.reference_memory.videos[1]
    assert kept
    for reference in kept:
        assert tensors(reference)
        for tensor in tensors(reference):
            assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_projections_that_are_kept_are_those_of_one_frame():
    """With autocast, as on GPUs, all of them are computed together."""
    opts = ("MODEL.VID.TEST.REFERENCES", "online", "MODEL.VID.TEST.PRECISION", "bfloat16")
    model = small_model("troi", *opts).eval()
    found(model, [frame(index, references=0) for index in range(6)], 3)
    kept = model.reference_memory.videos[1]
    tables = [features.conv_projections.table for frame in kept for features in frame.maps]
    assert len(tables) == 4
    for table in tables:
        assert table.untyped_storage().nbytes() == table.nbytes


@pytest.mark.parametrize(
    ("key", "value", "least"),
    [("FRAMES_AT_ONCE", 0, 1), ("FRAMES_AT_ONCE", -1, 1), ("REFERENCES_AT_ONCE", -1, 0)],
)
def test_a_bad_number_is_named(key: str, value: int, least: int):
    with pytest.raises(InputError) as error:
        small_model("selsa", f"MODEL.VID.TEST.{key}", value)
    assert str(error.value) == f"MODEL.VID.TEST.{key} is {value}: it must be {least} or more."


def test_no_number_at_all():
    with pytest.raises(InputError, match="FRAMES_AT_ONCE"):
        small_cfg("selsa", "MODEL.VID.TEST.FRAMES_AT_ONCE", "many")
