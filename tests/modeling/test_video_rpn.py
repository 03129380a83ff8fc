import pytest
import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, ImageList
from detectron2.utils.events import EventStorage

from boxmask_vid.errors import InputError
from support.small import image, small_model, truth


@pytest.fixture(scope="module")
def model():
    return small_model("selsa")


def encoded(model, *images: torch.Tensor) -> tuple[ImageList, dict]:
    batch = model.preprocess_image([{"image": image} for image in images])
    return batch, model.backbone(batch.tensor)


def test_reference_frames_get_test_time_counts_in_training(model):
    model.train()
    images, features = encoded(model, image(128, 192))
    with EventStorage():
        train_proposals, _ = model.proposal_generator(images, features, [truth(128, 192)])
    reference_proposals = model.proposal_generator.propose(images, features)
    assert len(train_proposals[0]) == 20
    assert len(reference_proposals[0]) == 10
    assert model.proposal_generator.training
    # the same ranking, cut earlier
    torch.testing.assert_close(
        reference_proposals[0].proposal_boxes.tensor, train_proposals[0].proposal_boxes.tensor[:10]
    )


def test_no_gradient_flows_into_proposals(model):
    model.train()
    images, features = encoded(model, image())
    for proposals in model.proposal_generator.propose(images, features):
        assert not proposals.proposal_boxes.tensor.requires_grad


def test_only_anchors_inside_the_image_are_labelled(model):
    rpn = model.proposal_generator
    anchors = Boxes(torch.tensor([[-1.0, 0, 30, 30], [0, 0, 30, 30], [40, 0, 64.0, 30]]))
    labels, _ = rpn.label_and_sample_anchors([anchors], [truth(64, 64, boxes=((0, 0, 30, 30),))])
    # the first is as good but sticks out; the third touches the right edge and is out as well
    assert labels[0].tolist() == [-1, 1, -1]


def test_the_best_anchor_of_a_truth_is_the_best_inside_one(model):
    anchors = Boxes(torch.tensor([[-4.0, 0, 26, 30], [6.0, 0, 36, 30], [40.0, 40, 60, 60]]))
    (labels,), (boxes,) = model.proposal_generator.label_and_sample_anchors(
        [anchors], [truth(64, 64, boxes=((0, 0, 30, 30),))]
    )
    assert labels.tolist() == [-1, 1, 0]
    assert boxes[1].tolist() == [0, 0, 30, 30]


def test_losses_are_divided_by_the_anchors_sampled(model):
    rpn = model.proposal_generator
    anchors = [Boxes(torch.tensor([[0.0, 0, 30, 30], [32, 32, 62, 62], [0, 32, 30, 62]]))]
    labels = [torch.tensor([1, 0, 0]), torch.tensor([-1, 0, -1])]
    with EventStorage():
        losses = rpn.losses(
            anchors, [torch.zeros(2, 3)], labels, [torch.ones(2, 3, 4)], [anchors[0].tensor] * 2
        )
    # 1 + 2 anchors of the first image; the second has no positive, which counts as one, and 1
    assert losses["loss_rpn_cls"].item() == pytest.approx(4 * torch.tensor(2.0).log().item() / 5)
    beta = rpn.smooth_l1_beta
    assert losses["loss_rpn_loc"].item() == pytest.approx(4 * (1 - beta / 2) / 5)


def test_an_image_without_anchors_inside_still_trains():
    model = small_model("selsa", "MODEL.VID.FREEZE_BN_STATISTICS", True).train()
    images, features = encoded(model, image(16, 16))
    with EventStorage():
        _, losses = model.proposal_generator(
            images, features, [truth(16, 16, boxes=((0, 0, 9, 9),))]
        )
        sum(losses.values()).backward()
    assert all(p.grad is not None for p in model.proposal_generator.parameters())
    model.zero_grad(set_to_none=True)


def test_diverged_weights_are_an_error(model):
    images, features = encoded(model, image())
    broken = {name: maps * float("nan") for name, maps in features.items()}
    with pytest.raises(FloatingPointError, match="diverged"):
        model.proposal_generator.propose(images, broken)


def test_detectron2s_matcher_differs_where_the_reference_does(model):
    """Why there is a matcher of our own: an anchor below the minimum IoU."""
    quality = torch.tensor([[0.1, 0.0]])
    theirs = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)
    assert theirs(quality)[1].tolist() == [1, 0]
    assert model.proposal_generator.anchor_matcher(quality)[1].tolist() == [0, 0]


def test_more_than_one_map_is_refused():
    with pytest.raises(InputError, match="works on one feature map"):
        small_model("selsa", "MODEL.RPN.IN_FEATURES", "('c5', 'c5')")
