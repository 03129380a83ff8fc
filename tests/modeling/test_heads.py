import pytest
import torch
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torchvision.ops import roi_align

from boxmask_vid.errors import InputError
from boxmask_vid.modeling.encoded_frame import References
from support.small import small_model, truth


def box_head(kind: str = "troi"):
    return small_model(kind).roi_heads.box_head


def test_box_head_aggregates_before_the_relu():
    head = box_head()
    torch.manual_seed(1)
    rois, references = torch.randn(4, 16, 7, 7), torch.randn(6, 16, 7, 7)
    key, reference = rois.flatten(1), references.flatten(1)
    for fc, aggregator in zip(head.fcs, head.aggregators, strict=True):
        key, reference = fc(key), fc(reference)
        key = key + aggregator(key, *aggregator.project(reference))
        key, reference = key.relu(), reference.relu()
    torch.testing.assert_close(head(rois, head.project(head.embed(references))), key)


def test_references_can_be_encoded_apart():
    head = box_head()
    references = torch.randn(6, 16, 7, 7)
    together = head.project(head.embed(references))
    frames = [References(head.project(head.embed(part))) for part in references.split([2, 0, 4])]
    for stage, parts in zip(together, References.cat(frames).attention_kv, strict=True):
        for whole, part in zip(stage, parts, strict=True):
            torch.testing.assert_close(whole, part)


def test_child_modules_of_the_sequential_head_do_not_run_by_themselves():
    head = box_head()
    assert len(head.aggregators) == len(head.fcs) == 2
    nothing = torch.randn(0, 16, 7, 7)
    assert head(nothing, head.project(head.embed(nothing))).shape == (0, 16)


def test_boxmask_loss_is_weighted_cross_entropy_of_filled_boxes():
    heads = small_model("boxmask", "MODEL.BOXMASK.LOSS_WEIGHT", 0.25).roi_heads
    instances = truth(64, 96, boxes=((8, 8, 50, 44), (20, 10, 60, 60)))
    instances.proposal_boxes = Boxes(instances.gt_boxes.tensor + 4)
    features = torch.randn(2, 16, 14, 14)
    with EventStorage():
        losses = heads.mask_head(features, [instances])
    logits = heads.mask_head.layers(features)[torch.arange(2), instances.gt_classes]
    targets = roi_align(
        instances.gt_masks.rasterize().float()[:, None],
        [box[None] for box in instances.proposal_boxes.tensor],
        28,
        aligned=True,
    )
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, (targets[:, 0] >= 0.5).float()
    )
    assert set(losses) == {"loss_boxmask"}
    torch.testing.assert_close(losses["loss_boxmask"], 0.25 * expected)


def test_boxmask_without_filled_boxes_says_what_to_do():
    heads = small_model("boxmask").roi_heads
    instances = truth()
    instances.proposal_boxes = instances.gt_boxes
    instances.remove("gt_masks")
    with pytest.raises(ValueError, match="use VIDDatasetMapper"):
        heads.mask_head(torch.randn(1, 16, 14, 14), [instances])


def test_class_agnostic_masks_have_one_channel():
    heads = small_model("boxmask", "MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", "True").roi_heads
    assert heads.mask_head.layers(torch.randn(3, 16, 14, 14)).shape == (3, 1, 28, 28)


def test_mask_on_and_boxmask_exclude_each_other():
    with pytest.raises(InputError, match="exclude each other: set one to False"):
        small_model("boxmask", "MODEL.MASK_ON", "True")


def test_initialisation_follows_the_reference():
    torch.manual_seed(0)
    heads = small_model("boxmask", "MODEL.ROI_MASK_HEAD.CONV_DIM", 256).roi_heads
    fan_out = heads.mask_head.predictor.weight.shape[0]
    assert heads.mask_head.predictor.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, 0.1)
    fc = heads.box_head.fcs[0].weight
    assert fc.abs().max().item() == pytest.approx((6 / sum(fc.shape)) ** 0.5, 0.01)
    embed = heads.temporal_roi_align.embed.weight
    assert embed.std().item() == pytest.approx((2 / (embed.shape[0] * 9)) ** 0.5, 0.1)


def output_layers(*opts: object):
    return small_model("selsa", *opts).roi_heads.box_predictor


def test_scores_are_float32_under_autocast():
    layers = output_layers("MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.1)
    proposals = [Instances((90, 100), proposal_boxes=Boxes(torch.tensor([[10.0, 10, 40, 40]])))]
    predictions = torch.randn(1, 5).bfloat16(), torch.zeros(1, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        (found,), _ = layers.inference(predictions, proposals)
    assert found.scores.dtype == found.pred_boxes.tensor.dtype == torch.float32


def test_detections_are_those_of_detectron2():
    layers = output_layers("MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.1)
    torch.manual_seed(0)
    corner = torch.rand(60, 2) * 80
    boxes = Boxes(torch.cat([corner, corner + 8 + torch.rand(60, 2) * 30], dim=1))
    proposals = [Instances((90, 100), proposal_boxes=boxes)]
    predictions = torch.randn(60, 5) * 2, torch.randn(60, 16)
    (ours,), (kept,) = layers.inference(predictions, proposals)
    (theirs,), (expected,) = fast_rcnn_inference(
        layers.predict_boxes(predictions, proposals),
        layers.predict_probs(predictions, proposals),
        [(90, 100)],
        layers.test_score_thresh,
        layers.test_nms_thresh,
        layers.test_topk_per_image,
    )
    assert len(ours) > 20
    torch.testing.assert_close(ours.pred_boxes.tensor, theirs.pred_boxes.tensor)
    torch.testing.assert_close(ours.scores, theirs.scores)
    assert torch.equal(ours.pred_classes, theirs.pred_classes)
    assert torch.equal(kept, expected)


def test_class_agnostic_boxes():
    layers = output_layers("MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", "True")
    proposals = [Instances((90, 100), proposal_boxes=Boxes(torch.tensor([[10.0, 10, 40, 40]])))]
    (found,), _ = layers.inference((torch.randn(1, 5), torch.zeros(1, 4)), proposals)
    assert len(found) == 4
    assert found.pred_boxes.tensor.tolist() == [[10, 10, 40, 40]] * 4


def test_heads_refuse_what_they_do_not_do():
    with pytest.raises(InputError, match=r"TRAIN_ON_PRED_BOXES is True: .* needs False"):
        small_model("selsa", "MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES", "True")
    with pytest.raises(InputError, match=r"MODEL\.ROI_HEADS\.IN_FEATURES is .*: name one"):
        small_model("selsa", "MODEL.ROI_HEADS.IN_FEATURES", "('c5', 'c5')")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("SELSA.NUM_HEADS", 0, "is 0: it must be 1 or more, and divide 16 channels"),
        ("SELSA.NUM_HEADS", 7, "is 7: it must be 1 or more, and divide 16 channels"),
        ("TROI.NUM_HEADS", -1, "is -1: it must be 0 or more, and divide 16 channels"),
        ("TROI.NUM_HEADS", 3, "is 3: it must be 0 or more, and divide 16 channels"),
        ("TROI.NUM_MOST_SIMILAR", 0, "is 0: it must be 1 or more"),
    ],
)
def test_impossible_heads_and_cells_are_named(key, value, sentence):
    with pytest.raises(InputError, match=rf"^MODEL\.VID\.{key} {sentence}\.$"):
        small_model("troi", f"MODEL.VID.{key}", value)
