"""Anchors, matching, proposals and losses of the RPN against the reference implementation."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_anchor_generator
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.events import EventStorage

from support.golden import (
    by_size_first,
    channels_by_size_first,
    close,
    converted,
    equal,
    load,
    part,
)
from support.parity_models import BOXMASK, INTO_THE_IMAGE, SELSA, TROI, assigned, config, leaf, rpn

RPNS = pytest.mark.parametrize(("kind", "name"), [("selsa", SELSA), ("boxmask", BOXMASK)])


@pytest.mark.parametrize(("kind", "name"), [("selsa_troi", TROI), ("boxmask", BOXMASK)])
def test_anchors(kind: str, name: str):
    case = part(load("anchors"), f"{kind}/")
    generator = build_anchor_generator(config(name), [ShapeSpec(stride=16)])
    (cell,) = generator.cell_anchors
    equal(cell, by_size_first(case["base_anchors"]))
    for height, width in ((3, 5), (8, 13)):
        (anchors,) = generator([torch.zeros(1, 1, height, width)])
        equal(anchors.tensor, by_size_first(case[f"grid_{height}x{width}"]))
    assert case["valid_8x13"].all()  # anchors on the padding are used, too
    # without ground truth, every anchor inside the image is sampled as background
    labeller = rpn(name, "MODEL.RPN.BATCH_SIZE_PER_IMAGE", 10_000)
    empty = Instances((120, 200), gt_boxes=Boxes(torch.zeros(0, 4)))
    (labels,), _ = labeller.label_and_sample_anchors([anchors], [empty])
    inside = by_size_first(case["inside_8x13_img120x200"])
    equal(labels, torch.where(inside, 0, -1).to(labels.dtype))


@pytest.mark.parametrize("number", range(8))
def test_max_iou_assigner_of_the_rpn(number: int):
    case = part(load("max_iou_assigner"), f"rpn/{number}/")
    generator = rpn()
    quality = pairwise_iou(Boxes(case["gt_bboxes"]), Boxes(case["bboxes"]))
    equal(assigned(*generator.anchor_matcher(quality)), case["gt_inds"])
    plain = Matcher([0.3, 0.7], [0, -1, 1])
    equal(assigned(*plain(quality)), case["gt_inds_without_low_quality"])
    if len(quality):
        close(quality.amax(dim=0), case["max_overlaps"])


def test_random_sampler_of_the_rpn():
    case = part(load("random_sampler"), "rpn/")
    wanted = case["gt_inds"].clamp(max=1)
    generator = rpn()
    torch.manual_seed(0)
    sampled = generator._subsample_labels(wanted.clone())
    for seed in range(2):
        golden = part(case, f"seed{seed}/")
        assert not golden["pos_is_gt"].any()
        for label, theirs in ((1, golden["pos_inds"]), (0, golden["neg_inds"])):
            assert (sampled == label).sum() == len(theirs.unique())
            assert (wanted[theirs] == label).all()
            assert (wanted[sampled == label] == label).all()


def test_nms_of_proposals():
    case = load("nms")
    boxes = case["boxes"] + INTO_THE_IMAGE
    generator = rpn(SELSA, "MODEL.RPN.NMS_THRESH", 0.5)
    (kept,) = generator.predict_proposals(
        [Boxes(boxes)], [case["scores"][None]], [torch.zeros(1, len(boxes), 4)], [(999, 999)]
    )
    close(kept.proposal_boxes.tensor - INTO_THE_IMAGE, case["nms_dets"][:, :4])
    equal(kept.objectness_logits, case["nms_dets"][:, 4])
    equal(kept.objectness_logits, case["scores"][case["nms_keep"]])


def rpn_case(kind: str, name: str, *opts: object) -> tuple[dict, torch.nn.Module, ImageList]:
    """The case, the RPN with its weights, and as many images."""
    case = load(f"rpn_head_{kind}")
    generator = rpn(name, *opts)
    weights = converted(case, "detector.rpn_head.", "proposal_generator.")
    generator.load_state_dict(weights, strict=False)
    assert set(weights) == {key for key, _ in generator.named_parameters()}
    size, padded = tuple(case["img_shape"].tolist()), case["pad_shape"].tolist()
    images = ImageList(torch.zeros(len(case["x"]), 3, *padded), [size] * len(case["x"]))
    return case, generator, images


def compare_proposals(found: Instances, golden: torch.Tensor) -> None:
    assert len(found) == len(golden)
    close(found.proposal_boxes.tensor, golden[:, :4])
    close(found.objectness_logits.sigmoid(), golden[:, 4])


@RPNS
def test_rpn_head(kind: str, name: str):
    case, generator, _ = rpn_case(kind, name)
    (logits,), (deltas,) = generator.rpn_head([case["x"]])
    close(logits, channels_by_size_first(case["cls"]))
    close(deltas, channels_by_size_first(case["reg"]))


@RPNS
def test_rpn_proposals_at_test(kind: str, name: str):
    case, generator, images = rpn_case(kind, name)
    with torch.no_grad():
        proposals, _ = generator(images, {"c5": case["x"]})
    for image, found in enumerate(proposals):
        compare_proposals(found, case[f"proposals_test_{image}"])


@RPNS
def test_rpn_proposals_before_and_after_nms(kind: str, name: str):
    counts = ("MODEL.RPN.PRE_NMS_TOPK_TEST", 500, "MODEL.RPN.POST_NMS_TOPK_TEST", 100)
    case, generator, images = rpn_case(kind, name, *counts)
    with torch.no_grad():
        proposals, _ = generator(images, {"c5": case["x"]})
    for image, found in enumerate(proposals):
        compare_proposals(found, case[f"proposals_pre500_{image}"])


@RPNS
def test_rpn_in_training(kind: str, name: str, monkeypatch: pytest.MonkeyPatch):
    """Proposals, matching, and the losses with the anchors that the reference drew."""
    case, generator, images = rpn_case(kind, name)
    generator.train()
    inside = by_size_first(case["inside_flags"])
    anchors = torch.full((len(inside),), -1, dtype=torch.int8)
    anchors[case["sampled_neg"]], anchors[case["sampled_pos"]] = 0, 1
    matched = torch.full((len(inside),), -1)
    matched[case["inside_flags"]] = case["gt_inds_inside"]

    def subsample(labels: torch.Tensor) -> torch.Tensor:
        equal(labels.long(), by_size_first(matched)[inside].clamp(max=1))
        return by_size_first(anchors)[inside]

    monkeypatch.setattr(generator, "_subsample_labels", subsample)
    features = leaf(case["x"][:1])
    image = ImageList(images.tensor[:1], images.image_sizes[:1])
    truth = Instances(image.image_sizes[0], gt_boxes=Boxes(case["gt_bboxes"]))
    with EventStorage():
        (proposals,), losses = generator(image, {"c5": features}, [truth])
    compare_proposals(proposals, case["proposals_train_0"])
    assert not proposals.proposal_boxes.tensor.requires_grad
    close(losses["loss_rpn_cls"], case["loss_rpn_cls"])
    close(losses["loss_rpn_loc"], case["loss_rpn_bbox"])
    sum(losses.values()).backward()
    close(features.grad, case["grad_x"])
    gradients = converted(case, "detector.rpn_head.", "proposal_generator.", "grad")
    for parameter, gradient in gradients.items():
        close(generator.get_parameter(parameter).grad, gradient)
