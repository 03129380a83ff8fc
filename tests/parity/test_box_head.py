"""RoIAlign, sampling of proposals and the box predictor against the reference implementation."""

import pytest
import torch
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from torchvision.ops import clip_boxes_to_image

from support.golden import close, equal, load, part
from support.parity_models import (
    BOXMASK,
    INTO_THE_IMAGE,
    SELSA,
    assigned,
    leaf,
    roi_heads,
    rois_of,
    rpn,
)


@pytest.mark.parametrize(
    ("pooler", "golden", "ratio"),
    [("box_pooler", "out7", 2), ("mask_pooler", "out14", 2), ("box_pooler", "out7_sr0", 0)],
)
def test_roi_align(pooler: str, golden: str, ratio: int):
    case = load("roi_align")
    opts = ("MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO", ratio) if ratio == 0 else ()
    heads = roi_heads(BOXMASK, 8, *opts)
    pooled = getattr(heads, pooler)([case["feat"]], rois_of(case["rois"], 2))
    order = case["rois"][:, 0].argsort(stable=True)
    close(pooled, case[golden][order])


@pytest.mark.parametrize("name", ["std1", "std02"])
def test_bbox_coder(name: str):
    case = part(load("bbox_coder"), f"{name}/")
    part_of_model = rpn() if name == "std1" else roi_heads().box_predictor
    coder = part_of_model.box2box_transform
    close(coder.get_deltas(case["boxes"], case["gt"]), case["encoded"])
    decoded = coder.apply_deltas(case["deltas"], case["boxes"])
    close(decoded, case["decoded_noclip"])
    close(clip_boxes_to_image(decoded, (200, 300)), case["decoded_clip"])
    all_classes = coder.apply_deltas(case["deltas_120"], case["boxes"]).view(-1, 4)
    close(clip_boxes_to_image(all_classes, (200, 300)).view(-1, 120), case["decoded_120"])


@pytest.mark.parametrize("number", range(8))
def test_max_iou_assigner_of_the_roi_heads(number: int):
    case = part(load("max_iou_assigner"), f"rcnn/{number}/")
    truth, proposals = case["gt_bboxes"], case["bboxes"][:, :4]
    together = Boxes(torch.cat([proposals, truth]))  # Detectron2 appends the ground truth
    quality = pairwise_iou(Boxes(truth), together)
    matches, labels = roi_heads().proposal_matcher(quality)
    found = assigned(matches, labels)
    equal(found[: len(proposals)], case["gt_inds"])
    equal(found[len(proposals) :], torch.arange(len(truth)) + 1)
    classes = case["gt_labels"][matches] if len(truth) else case["labels"]
    equal(torch.where(labels == 1, classes, -1)[: len(proposals)], case["labels"])
    if len(quality):
        close(quality.amax(dim=0)[: len(proposals)], case["max_overlaps"])


def sample_proposals(case: dict[str, torch.Tensor], *opts: object) -> Instances:
    """Sampled proposals with their ``row``: rows of proposals, then those of ground truth."""
    heads, truth, size = roi_heads(SELSA, 8, *opts), case["gt_bboxes"], (500, 500)
    rows = torch.arange(len(case["bboxes"]) + len(truth))

    def match(quality: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert quality.shape == (len(truth), len(rows))
        found = torch.cat([case["gt_inds"], torch.arange(len(truth)) + 1])
        return (found - 1).clamp(min=0), found.clamp(max=1).to(torch.int8)

    heads.proposal_matcher = match
    proposals = Instances(
        size,
        proposal_boxes=Boxes(case["bboxes"]),
        objectness_logits=torch.zeros(len(case["bboxes"])),
        row=rows[: len(case["bboxes"])],
    )
    targets = Instances(
        size,
        gt_boxes=Boxes(truth),
        gt_classes=case["gt_labels"],
        row=rows[len(case["bboxes"]) :],
    )
    with EventStorage():
        return heads.label_and_sample_proposals([proposals], [targets])[0]


def test_random_sampler_of_the_roi_heads():
    case = part(load("random_sampler"), "rcnn/")
    truths, proposals = len(case["gt_bboxes"]), len(case["bboxes"])
    everything = sample_proposals(case, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 10_000)
    # rows of the reference: it prepends the ground truth
    their_row = (everything.row + truths) % (proposals + truths)
    everything = everything[their_row.argsort()]
    their_row = their_row.sort().values
    torch.manual_seed(0)
    draws = [sample_proposals(case) for _ in range(20)]
    for seed in range(2):
        golden = part(case, f"seed{seed}/")
        for drawn in draws:
            positive = drawn.gt_classes < 30
            assert positive.sum() == len(golden["pos_inds"])
            assert (~positive).sum() == len(golden["neg_inds"])
        equal(golden["pos_is_gt"].bool(), golden["pos_inds"] < truths)
        theirs = everything[torch.searchsorted(their_row, golden["pos_inds"])]
        equal(theirs.gt_classes, golden["pos_gt_labels"])
        equal(theirs.gt_boxes.tensor, case["gt_bboxes"][golden["pos_assigned_gt_inds"]])
        theirs = everything[torch.searchsorted(their_row, golden["neg_inds"])]
        assert (theirs.gt_classes == 30).all()
    # some of the ground truth is drawn, all of it may be
    drawn_truths = [set(drawn.row[drawn.row >= proposals].tolist()) for drawn in draws]
    assert set.union(*drawn_truths) == set(range(proposals, proposals + truths))
    assert any(len(rows) < truths for rows in drawn_truths)
    candidates = set(everything.row.tolist())
    assert all(candidates.issuperset(drawn.row.tolist()) for drawn in draws)


def test_nms_of_classes():
    case = load("nms")
    boxes, labels, scores = case["boxes"] + INTO_THE_IMAGE, case["idxs"], case["scores"]
    many = ("MODEL.ROI_HEADS.NUM_CLASSES", 5, "TEST.DETECTIONS_PER_IMAGE", 1000)
    layers = roi_heads(SELSA, 8, *many).box_predictor
    logits = torch.full((len(boxes), 6), -torch.inf)
    rows = torch.arange(len(boxes))
    logits[rows, labels], logits[:, 5] = scores.log(), (1 - scores).log()
    proposals = Instances((999, 999), proposal_boxes=Boxes(boxes))
    (found,), (kept,) = layers.inference((logits, torch.zeros(len(boxes), 20)), [proposals])
    equal(kept, case["batched_keep"])
    equal(found.pred_classes, labels[case["batched_keep"]])
    close(found.pred_boxes.tensor - INTO_THE_IMAGE, case["batched_dets"][:, :4])
    close(found.scores, case["batched_dets"][:, 4])


@pytest.mark.usefixtures("float64_boxes")
def test_bbox_head_loss():
    case = load("bbox_head_loss")
    foreground = case["labels"] < 30
    assert case["label_weights"].eq(1).all()
    equal(case["bbox_weights"][:, 0].bool(), foreground)
    layers = roi_heads().box_predictor
    # in float64, so that the targets come back from boxes as they are
    boxes = torch.tensor([[40.0, 30.0, 104.0, 158.0]], dtype=torch.float64).repeat(24, 1)
    truth = layers.box2box_transform.apply_deltas(case["bbox_targets"].double(), boxes)
    sampled = Instances(
        (563, 1000),
        proposal_boxes=Boxes(boxes),
        gt_boxes=Boxes(truth),
        gt_classes=case["labels"],
    )
    scores, deltas = leaf(case["cls_score"]), leaf(case["bbox_pred"])
    with EventStorage() as storage:
        losses = layers.losses((scores, deltas), [sampled])
    close(losses["loss_cls"], case["loss_cls"])
    close(losses["loss_box_reg"].float(), case["loss_bbox"])
    accuracy, _ = storage.latest()["fast_rcnn/cls_accuracy"]
    assert 100 * accuracy == case["acc"].item()
    sum(losses.values()).backward()
    close(scores.grad, case["grad_cls_score"])
    close(deltas.grad, case["grad_bbox_pred"])


@pytest.mark.parametrize("name", ["n40", "n300"])
def test_bbox_postprocess(name: str):
    case = part(load("bbox_postprocess"), f"{name}/")
    proposals = Instances((563, 1000), proposal_boxes=Boxes(case["rois"][:, 1:]))
    predictions = case["cls_score"], case["bbox_pred"]
    (found,), _ = roi_heads().box_predictor.inference(predictions, [proposals])
    equal(found.pred_classes, case["det_labels_norescale"])
    close(found.scores, case["det_bboxes_norescale"][:, 4])
    close(found.pred_boxes.tensor, case["det_bboxes_norescale"][:, :4])
    rescaled = detector_postprocess(found, 720, 1280)
    equal(rescaled.pred_classes, case["det_labels"])
    close(rescaled.scores, case["det_bboxes"][:, 4])
    close(rescaled.pred_boxes.tensor, case["det_bboxes"][:, :4])
