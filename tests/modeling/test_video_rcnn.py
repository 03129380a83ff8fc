import copy

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.utils.events import EventStorage

from support.small import KINDS, clip, frame, image, small_model, truth

VIDEO_KINDS = [kind for kind in KINDS if "faster_rcnn" not in kind]


def train_step(model, batch: list[dict]) -> dict[str, float]:
    """A forward and a backward pass; every parameter must get a gradient."""
    model.train()
    model.zero_grad(set_to_none=True)
    with EventStorage():
        losses = model(batch)
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    bad = [
        n for n, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
    ]
    assert not bad
    return {name: loss.item() for name, loss in losses.items()}


def detect(model, *batch: dict) -> list:
    model.eval()
    with torch.no_grad():
        return [output["instances"] for output in model(list(batch))]


BATCHES = {
    "one clip": [clip()],
    "clips of different sizes": [clip(), clip(96, 64), clip(50, 70)],
    "no references": [clip(references=0)],
    "a still and a video": [clip(references=0), clip()],
    "one reference": [clip(references=1), clip(references=3)],
    "no ground truth": [clip(boxes=())],
    "ground truth in one clip": [clip(boxes=()), clip()],
    "an image of one cell": [clip(16, 16, boxes=((2.0, 2, 14, 14),))],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BATCHES)
def test_every_parameter_gets_a_gradient(kind: str, name: str):
    # statistics of a single cell are nothing to normalise with
    frozen = ("MODEL.VID.FREEZE_BN_STATISTICS", name == "an image of one cell")
    losses = train_step(small_model(kind, *frozen), copy.deepcopy(BATCHES[name]))
    assert ("loss_boxmask" in losses) == ("boxmask" in kind)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_different_sizes_are_detected_together(kind: str):
    """Boxes lie in their own frame and are those that it has alone, but for the padding."""
    model = small_model(kind, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0)
    batch = [frame(0, 1, references=2), frame(0, 2, references=2, height=96, width=64)]
    found = detect(model, *batch)
    for instances, sample in zip(found, batch, strict=True):
        height, width = sample["height"], sample["width"]
        assert instances.image_size == (height, width)
        boxes = instances.pred_boxes.tensor
        assert len(boxes)
        assert (boxes >= 0).all()
        assert (boxes <= torch.tensor([width, height, width, height])).all()


@pytest.mark.parametrize("kind", KINDS)
def test_training_without_proposals(kind: str):
    model = small_model(kind)
    empty_rpn(model)
    train_step(model, [clip(), clip(96, 64)])
    train_step(model, [clip(boxes=()), clip(boxes=())])  # no RoI at all


def empty_rpn(model) -> None:
    """No box is large enough to be a proposal."""
    model.proposal_generator.min_box_size = 1e6


@pytest.mark.parametrize("kind", KINDS)
def test_detection_without_proposals(kind: str):
    model = small_model(kind)
    empty_rpn(model)
    (found,) = detect(model, frame(0, references=2))
    assert len(found) == 0


@pytest.mark.parametrize("kind", VIDEO_KINDS)
def test_padding_of_a_batch_does_not_reach_the_references(kind: str):
    model = small_model(kind)
    detect(model, frame(0, 1, references=2, height=64, width=64), frame(0, 2, references=2))
    expected = {1: (4, 4), 2: (4, 6)} if model.roi_heads.temporal_roi_align else {}
    sizes = {
        (video, features.size)
        for video, references in model.reference_memory.videos.items()
        for reference in references
        for features in reference.maps
    }
    assert sizes == set(expected.items())


@pytest.mark.usefixtures("float64_boxes")
@pytest.mark.parametrize("kind", VIDEO_KINDS)
def test_references_are_remembered_and_matter(kind: str):
    model = small_model(kind).double()  # batches of another size round differently in float32
    first, second = frame(0, references=3), frame(1)
    detect(model, first)
    (remembered,) = detect(model, second)
    (explicit,) = detect(model, {**second, "reference_images": first["reference_images"]})
    torch.testing.assert_close(remembered.scores, explicit.scores)
    torch.testing.assert_close(remembered.pred_boxes.tensor, explicit.pred_boxes.tensor)
    alone = {key: value for key, value in second.items() if key != "video_id"}
    (single,) = detect(model, alone)
    assert not torch.equal(single.scores[:5], remembered.scores[:5])


def test_a_still_image_in_between_leaves_the_video_alone():
    model = small_model("troi")
    detect(model, frame(0, references=2))
    detect(model, {"image": image(), "height": 64, "width": 96})
    detect(model, frame(1))


@pytest.mark.usefixtures("float64_boxes")
def test_videos_in_lockstep_have_their_own_references():
    model = small_model("troi").double()
    first = [frame(0, video, references=2) for video in "ab"]
    first[1]["reference_images"] = [image(seed=77), image(seed=78)]
    detect(model, *first)
    together = detect(model, frame(1, "a"), frame(1, "b"))
    for video, sample, both in zip("ab", first, together, strict=True):
        detect(model, sample)
        (apart,) = detect(model, frame(1, video))
        torch.testing.assert_close(both.scores, apart.scores)


def test_a_video_that_was_not_begun_is_an_error():
    with pytest.raises(KeyError, match="its reference frames are not known"):
        detect(small_model("troi"), frame(3, references=None))


def test_training_forgets_what_other_weights_remembered():
    model = small_model("troi")
    detect(model, frame(0, references=2))
    model.train()
    with pytest.raises(KeyError):
        detect(model, frame(1))


@pytest.mark.parametrize("mode", ["adaptive", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_video_of_one_frame(kind: str, mode: str):
    model = small_model(kind, "MODEL.VID.TEST.REFERENCES", mode)
    sample = frame(0)
    sample["reference_images"] = [sample["image"]] * 5
    (found,) = detect(model, sample)
    assert found.pred_boxes.tensor.isfinite().all()


def test_an_image_alone_is_its_own_reference():
    model = small_model("troi")
    sample = {"image": image(), "height": 64, "width": 96}
    (alone,) = detect(model, sample)
    (explicit,) = detect(model, {**sample, "reference_images": []})
    assert torch.equal(alone.scores, explicit.scores)
    assert not model.reference_memory.videos


def test_an_image_given_several_times_is_encoded_once():
    model = small_model("troi")
    picture = image()
    encoded = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: encoded.append(len(inputs[0])))
    still = {"image": picture, "height": 64, "width": 96}
    detect(model, {**still, "reference_images": [picture, picture]}, frame(0, references=1))
    assert sum(encoded) == 3


def test_a_single_frame_detector_does_not_look_at_references():
    model = small_model("faster_rcnn").train()
    sizes = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    with EventStorage():
        model([clip(references=2)])
    detect(model, frame(0, references=2))
    assert sizes == [1, 1]


def test_gradient_reaches_the_backbone_through_references():
    model = small_model("troi").train()
    batch = [clip()]
    references = [image.float().requires_grad_() for image in batch[0]["reference_images"]]
    batch[0]["reference_images"] = references
    with EventStorage():
        losses = model(batch)
    losses["loss_cls"].backward()
    assert all(image.grad.abs().sum() > 0 for image in references)


def test_predicted_masks_on_request():
    sample = frame(0, references=1)
    (without,) = detect(small_model("boxmask"), dict(sample))
    assert not without.has("pred_masks")
    (found,) = detect(small_model("boxmask", "MODEL.BOXMASK.PREDICT_MASKS", "True"), sample)
    assert found.pred_masks.shape == (len(found), 64, 96)
    torch.testing.assert_close(found.scores, without.scores)


def test_bfloat16_autocast_trains_and_detects():
    model = small_model("boxmask")
    model.train()
    with torch.autocast("cpu", torch.bfloat16), EventStorage():
        loss = sum(model([clip()]).values())
    loss.backward()
    assert loss.isfinite()
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = detect(model, frame(0, references=2))
    assert found.pred_boxes.tensor.dtype == torch.float32


def test_output_is_in_the_size_that_was_asked_for():
    model = small_model("troi", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0)
    sample = {**frame(0, references=1), "height": 640, "width": 960}
    (found,) = detect(model, sample)
    assert found.image_size == (640, 960)
    boxes = found.pred_boxes.tensor
    assert boxes.max() > 200
    assert (boxes >= 0).all()
    assert (boxes[:, 0::2] <= 960).all()
    assert (boxes[:, 1::2] <= 640).all()


def test_a_train_step_lowers_the_loss():
    model = small_model("boxmask")
    batch = [clip(), clip(boxes=((30.0, 20, 80, 60), (5.0, 5, 40, 40)), seed=5)]
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    totals = []
    for _ in range(25):
        torch.manual_seed(0)
        with EventStorage():
            loss = sum(model(batch).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
        optimizer.step()
        totals.append(loss.item())
    assert totals[-1] < 0.6 * totals[0]


def test_truth_is_not_changed_by_training():
    model = small_model("boxmask")
    batch = [clip()]
    before = copy.deepcopy(batch[0]["instances"])
    train_step(model, batch)
    assert torch.equal(batch[0]["instances"].gt_boxes.tensor, before.gt_boxes.tensor)
    assert truth().image_size == before.image_size


@BACKBONE_REGISTRY.register()
class TwoMaps(Backbone):
    """Maps of stride 8 and 16."""

    def __init__(self, cfg, input_shape):
        super().__init__()
        self.fine = torch.nn.Conv2d(3, 8, 8, stride=8)
        self.coarse = torch.nn.Conv2d(3, 16, 16, stride=16)

    def forward(self, images):
        return {"fine": self.fine(images), "coarse": self.coarse(images)}

    def output_shape(self):
        return {
            "fine": ShapeSpec(channels=8, stride=8),
            "coarse": ShapeSpec(channels=16, stride=16),
        }


@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("feature", ["fine", "coarse"])
def test_of_several_maps_the_named_one_is_used(feature: str, accelerated: bool):
    named = f"('{feature}',)"
    model = small_model(
        "troi",
        *("MODEL.BACKBONE.NAME", "TwoMaps", "MODEL.VID.ACCELERATE", accelerated),
        *("MODEL.RPN.IN_FEATURES", named, "MODEL.ROI_HEADS.IN_FEATURES", named),
    )
    assert model.roi_heads.map_stride == {"fine": 8, "coarse": 16}[feature]
    (found,) = detect(model, frame(0, references=2))
    assert found.pred_boxes.tensor.isfinite().all()


def test_a_map_that_the_backbone_lacks_gets_a_sentence():
    with pytest.raises(
        ValueError, match=r"IN_FEATURES is \['c5'\], the backbone has \['fine', 'coarse'\]"
    ):
        small_model("troi", "MODEL.BACKBONE.NAME", "TwoMaps", "MODEL.RPN.IN_FEATURES", "('fine',)")
