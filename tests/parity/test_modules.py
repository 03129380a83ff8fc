"""Every module against what the reference implementation computed from the same weights."""

import json
import random

import cv2
import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.layers import ShapeSpec
from detectron2.modeling import (
    build_anchor_generator,
    build_model,
    build_proposal_generator,
    build_roi_heads,
)
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.modeling.roi_heads import build_mask_head
from detectron2.solver import build_lr_scheduler
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from detectron2.utils.events import EventStorage
from torch.overrides import TorchFunctionMode
from torchvision.ops import clip_boxes_to_image

from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.data import VIDDatasetMapper, register_vid_instances
from boxmask_vid.data.dataset_mapper import (
    build_resize,
    build_test_sampler,
    build_train_sampler,
    filled_box,
)
from boxmask_vid.engine import Trainer, build_cfg
from boxmask_vid.evaluation import VIDEvaluator
from boxmask_vid.modeling.plain import PlainTemporalROIAlign
from boxmask_vid.structures import BoxMasks, PreciseBoxes
from support.golden import (
    GOLDEN,
    by_size_first,
    channels_by_size_first,
    close,
    converted,
    equal,
    load,
    load_json,
    part,
)
from support.paths import CONFIGS

SELSA, TROI, BOXMASK = (
    f"ImageNetVID/{name}_R_50_DC5_7e.yaml" for name in ("selsa", "selsa_troi", "boxmask_selsa_troi")
)
BBOX_HEAD = "detector.roi_head.bbox_head."


def config(name: str = SELSA, *opts: object) -> CfgNode:
    return build_cfg(str(CONFIGS / name), list(map(str, opts)))


def roi_heads(name: str = SELSA, channels: int = 8, *opts: object) -> torch.nn.Module:
    """The RoI heads of a config with small layers."""
    small = ["MODEL.ROI_BOX_HEAD.FC_DIM", 32, "MODEL.VID.SELSA.NUM_HEADS", 4]
    small += ["MODEL.ROI_MASK_HEAD.CONV_DIM", 8, *opts]
    return build_roi_heads(
        config(name, *small), {"c5": ShapeSpec(channels=channels, stride=16)}
    ).eval()


def rpn(name: str = SELSA, *opts: object) -> torch.nn.Module:
    shape = {"c5": ShapeSpec(channels=16, stride=16)}
    return build_proposal_generator(config(name, *opts), shape).eval()


def leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone().requires_grad_()


def rois_of(rois: torch.Tensor, images: int) -> list[Boxes]:
    """(N, 5) RoIs with the image first -> boxes of each image."""
    return [Boxes(rois[rois[:, 0] == image, 1:]) for image in range(images)]


# Features of RoIs


@pytest.mark.parametrize("name", ["c64b4", "c64b16"])
def test_selsa_aggregator(name: str):
    case = load(f"selsa_aggregator_{name}")
    theirs, ours = f"{BBOX_HEAD}aggregator.0.", "roi_heads.box_head.aggregators.0."
    heads = int(case["num_attention_blocks"])
    built = roi_heads(SELSA, 8, "MODEL.ROI_BOX_HEAD.FC_DIM", 64, "MODEL.VID.SELSA.NUM_HEADS", heads)
    aggregator = built.box_head.aggregators[0]
    aggregator.load_state_dict(converted(case, theirs, ours))
    features, references = leaf(case["x"]), leaf(case["ref_x"])
    out = aggregator(features, *aggregator.project(references))
    close(out, case["out"])
    out.backward(case["grad_out"])
    close(features.grad, case["grad_x"])
    close(references.grad, case["grad_ref_x"])
    gradients = converted(case, theirs, ours, "grad")
    # A softmax does not see what is added to all similarities of a query: the gradient of the bias
    # of the keys is rounding about 0, to be compared on the scale of the gradient of their weight.
    rounding, scale = gradients.pop("key.bias"), gradients["key.weight"].abs().max().item()
    torch.testing.assert_close(aggregator.key.bias.grad, rounding, rtol=0, atol=1e-5 * scale)
    for parameter, gradient in gradients.items():
        close(aggregator.get_parameter(parameter).grad, gradient)


@pytest.mark.parametrize("stages", [2, 3])
def test_selsa_bbox_head(stages: int):
    case = load(f"selsa_bbox_head_fc{stages}")
    heads = roi_heads(SELSA, 8, "MODEL.ROI_BOX_HEAD.NUM_FC", stages)
    heads.load_state_dict(converted(case, BBOX_HEAD, "roi_heads."))
    pooled, references = leaf(case["x"]), leaf(case["ref_x"])
    head = heads.box_head
    scores, deltas = heads.box_predictor(head(pooled, head.encode_references(references)))
    close(scores, case["cls_score"])
    close(deltas, case["bbox_pred"])
    torch.autograd.backward([scores, deltas], [case["grad_cls"], case["grad_bbox"]])
    close(pooled.grad, case["grad_x"])
    close(references.grad, case["grad_ref_x"])


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


class RecordTopk(TorchFunctionMode):
    """Keeps what ``Tensor.topk`` returns."""

    def __init__(self):
        super().__init__()
        self.results = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.topk:
            self.results.append(result)
        return result


FAST, PLAIN = "TemporalROIHeads", "PlainTemporalROIHeads"


def troi_heads(
    similar: int, heads: int, case: dict[str, torch.Tensor], name: str
) -> torch.nn.Module:
    built = roi_heads(
        TROI,
        16,
        *("MODEL.ROI_HEADS.NAME", name),
        *("MODEL.VID.TROI.NUM_MOST_SIMILAR", similar, "MODEL.VID.TROI.NUM_HEADS", heads),
    )
    if heads:
        theirs = "detector.roi_head.bbox_roi_extractor."
        weights = converted(case, theirs, "roi_heads.temporal_roi_align.")
        built.temporal_roi_align.load_state_dict(weights)
    return built


def run_troi(
    built: torch.nn.Module, case: dict, feature: torch.Tensor, maps: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    boxes = rois_of(case["rois"], 1)
    pooled = built.box_pooler([feature], boxes)
    close(pooled, case["roi_feats"])
    troi = built.temporal_roi_align
    if isinstance(troi, PlainTemporalROIAlign):
        return troi(pooled, boxes[0].tensor, None, maps)
    encoded = [troi.encode(each[None])[0] for each in maps]
    return troi(pooled, boxes[0].tensor, troi.encode(feature)[0], encoded)


@pytest.mark.parametrize("name", [FAST, PLAIN])
@pytest.mark.parametrize(("similar", "heads"), [(1, 4), (2, 4), (4, 4), (2, 0)])
def test_temporal_roi_align(similar: int, heads: int, name: str):
    case = load("temporal_roi_align")
    golden = part(case, f"K{similar}_nb{heads}/")
    built = troi_heads(similar, heads, case, name)
    maps = case["ref_feats"].unbind()
    close(run_troi(built, case, case["feat"], maps), golden["full"])
    # without references nothing is added
    close(run_troi(built, case, case["feat"], ()), case["roi_feats"])
    if name == PLAIN:
        troi, pooled = built.temporal_roi_align, case["roi_feats"]
        found = torch.stack([troi.most_similar(pooled, each) for each in maps])
        close(found, golden["most_similar"])
        if heads:  # there is no attention to be recorded for the plain mean
            close(troi.aggregate(torch.cat([pooled[None], golden["most_similar"]])), golden["taf"])


@pytest.mark.parametrize("name", [FAST, PLAIN])
def test_temporal_roi_align_finds_the_same_cells(name: str):
    case = load("temporal_roi_align")
    built = troi_heads(2, 4, case, name)
    with RecordTopk() as record, torch.no_grad():
        run_troi(built, case, case["feat"], case["ref_feats"].unbind())
    values, indices = (torch.stack(each, dim=1) for each in zip(*record.results, strict=True))
    if name == FAST:  # before they are divided by the norms of the RoI cells
        values /= case["roi_feats"].permute(0, 2, 3, 1).flatten(0, 2).norm(dim=1)[:, None, None]
    close(values[..., :2], case["topk_values"])  # the third tells ties
    equal(indices[..., :2], case["topk_indices"])


@pytest.mark.parametrize("name", [FAST, PLAIN])
def test_temporal_roi_align_gradients(name: str):
    case = load("temporal_roi_align")
    heads = troi_heads(2, 4, case, name)
    feature, references = leaf(case["feat"]), leaf(case["ref_feats"])
    run_troi(heads, case, feature, references.unbind()).backward(case["grad_out"])
    close(feature.grad, case["grad_feat"])
    close(references.grad, case["grad_refs"])
    theirs, ours = "detector.roi_head.bbox_roi_extractor.", "roi_heads.temporal_roi_align."
    gradients = converted(case, theirs, ours, "grad")
    assert set(gradients) == {"embed.weight", "embed.bias"}
    for name, gradient in gradients.items():
        close(heads.temporal_roi_align.get_parameter(name).grad, gradient)


# Masks


def box_masks(case: dict[str, torch.Tensor]) -> tuple[BoxMasks, torch.Tensor]:
    """Filled boxes as the mapper makes them, and the resized boxes."""
    cfg = build_cfg(str(GOLDEN / "boxmask_tiny.yaml"))
    boxes = case["ann_xywh"].clone()
    boxes[:, 2:] += boxes[:, :2]
    bitmaps = [filled_box(box, 96, 160) for box in boxes.numpy()]
    equal(torch.from_numpy(np.stack(bitmaps)), case["bitmaps"])
    resize = build_resize(cfg, is_train=True).get_transform(np.zeros((96, 160, 3), np.uint8))
    resized = [resize.apply_segmentation(bitmap) for bitmap in bitmaps]
    height, width = (-(-side // cfg.INPUT.VID.SIZE_DIVISIBILITY) * 16 for side in resized[0].shape)
    masks = BoxMasks.from_bitmaps(resized, (height, width))
    return masks, torch.from_numpy(resize.apply_box(boxes.numpy())).float()


def test_mask_targets():
    case = load("fcn_mask_head")
    masks, boxes = box_masks(case)
    close(boxes, case["gt_bboxes"])
    equal(masks.rasterize(), case["bitmaps_padded"].bool())
    targets = masks[case["assigned_gt_inds"]].crop_and_resize(case["proposals"], 28)
    equal(targets, case["mask_targets"].bool())


def test_fcn_mask_head():
    case = load("fcn_mask_head")
    theirs, ours = "detector.roi_head.mask_head.", "roi_heads.mask_head."
    cfg = config(BOXMASK, "MODEL.ROI_MASK_HEAD.CONV_DIM", 12)
    head = build_mask_head(cfg, ShapeSpec(channels=12, width=14, height=14)).train()
    head.load_state_dict(converted(case, theirs, ours))
    close(head.layers(case["x"]), case["mask_pred"])
    foreground = Instances(
        (234, 390),
        proposal_boxes=Boxes(case["proposals"]),
        gt_classes=case["labels"],
        gt_masks=box_masks(case)[0][case["assigned_gt_inds"]],
    )
    features = leaf(case["x"])
    with EventStorage():
        losses = head(features, [foreground])
    close(losses["loss_boxmask"], case["loss_mask"][0])
    losses["loss_boxmask"].backward()
    close(features.grad, case["grad_x"])
    gradients = converted(case, theirs, ours, "grad")
    assert len(gradients) == len(list(head.parameters()))
    for name, gradient in gradients.items():
        close(head.get_parameter(name).grad, gradient)


# Boxes, anchors, matching, sampling


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


def assigned(matches: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As the reference says it: -1 ignored, 0 background, i + 1 ground truth i."""
    return torch.where(labels == 1, matches + 1, labels.long())


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
    assert any(len(each) < truths for each in drawn_truths)
    candidates = set(everything.row.tolist())
    assert all(candidates.issuperset(drawn.row.tolist()) for drawn in draws)


# Non-maximum suppression

INTO_THE_IMAGE = 128.0  # the boxes of the case start left of and above the image


def test_nms_of_proposals():
    case = load("nms")
    boxes = case["boxes"] + INTO_THE_IMAGE
    generator = rpn(SELSA, "MODEL.RPN.NMS_THRESH", 0.5)
    (kept,) = generator.predict_proposals(
        [PreciseBoxes(boxes)], [case["scores"][None]], [torch.zeros(1, len(boxes), 4)], [(999, 999)]
    )
    close(kept.proposal_boxes.tensor - INTO_THE_IMAGE, case["nms_dets"][:, :4])
    equal(kept.objectness_logits, case["nms_dets"][:, 4])
    equal(kept.objectness_logits, case["scores"][case["nms_keep"]])


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


# RPN

RPNS = pytest.mark.parametrize(("kind", "name"), [("selsa", SELSA), ("boxmask", BOXMASK)])


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


# Box predictor


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
        proposal_boxes=PreciseBoxes(boxes),
        gt_boxes=PreciseBoxes(truth),
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


# Images


@pytest.mark.parametrize(("golden", "short", "long"), [("down", 24, 40), ("up", 120, 200)])
def test_imresize(golden: str, short: int, long: int):
    case = load("imresize")
    picture = case["src"].numpy()
    cfg = config(SELSA, "INPUT.MIN_SIZE_TEST", short, "INPUT.MAX_SIZE_TEST", long)
    resized = build_resize(cfg, is_train=False).get_transform(picture).apply_image(picture)
    equal(torch.from_numpy(resized), case[golden])


@pytest.mark.parametrize("is_train", [True, False])
def test_resize_table(is_train: bool):
    cfg = config()
    table = load_json("resize_table")
    assert len(table) == 63
    for row in table:
        picture = np.empty((row["h"], row["w"], 3), np.uint8)
        resize = build_resize(cfg, is_train).get_transform(picture)
        size = resize.new_height, resize.new_width
        assert size == (row["new_h"], row["new_w"])
        batch = ImageList.from_tensors([torch.empty(1, *size)], cfg.INPUT.VID.SIZE_DIVISIBILITY)
        assert batch.tensor.shape[-2:] == (row["pad_h"], row["pad_w"])
        scaled = resize.apply_coords(np.ones((1, 2), np.float32))[0]
        equal(torch.from_numpy(scaled), torch.tensor(row["scale_factor"]))


# Reference frames


def settings(name: str) -> list[str]:
    """Of a case "<number>_<from>_<to>" or "<number>_<from>_<to>_s<stride>"."""
    number, first, last, *stride = name.split("_")
    assert int(last) - int(first) == int(number)
    opts = ["NUM_REFERENCES", number, "REFERENCES", "fixed" if stride else "adaptive"]
    opts += ["STRIDE", stride[0].removeprefix("s")] if stride else []
    return [f"MODEL.VID.TEST.{each}" if i % 2 == 0 else each for i, each in enumerate(opts)]


ADAPTIVE = ("14_-7_7", "30_-15_15", "4_-2_2")
FIXED = ("14_-7_7_s1", "30_-15_15_s1", "6_-3_3_s2", "4_-2_2_s1", "20_-10_10_s10")


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_reference_frames(name: str):
    table = load_json("ref_sampling")["adaptive"]
    assert set(table) == set(ADAPTIVE)
    sample = build_test_sampler(config(SELSA, *settings(name)))
    for length, frames in table[name].items():
        for frame, expected in frames.items():
            assert (sample(int(frame), int(length), frame == "0") or []) == expected


@pytest.mark.parametrize("name", FIXED)
def test_fixed_stride_reference_frames(name: str):
    table = load_json("ref_sampling")["fix"]
    assert set(table) == set(FIXED)
    cfg = config(SELSA, *settings(name))
    sample = build_test_sampler(cfg)
    for length, frames in table[name].items():
        for frame, expected in frames.items():
            drawn = sample(int(frame), int(length), frame == "0") or []
            assert drawn == expected["refs"]
            # the key frame takes the place in the middle, as in ReferenceMemory
            assert expected["num_left_ref_imgs"] == cfg.MODEL.VID.TEST.NUM_REFERENCES // 2
            assert expected["frame_stride"] == cfg.MODEL.VID.TEST.STRIDE


def test_bilateral_reference_frames():
    """The same frames come up, and with Python's generator in the same state the same draws."""
    table = load_json("ref_sampling")["bilateral_uniform_frame_range_9_refs_2"]
    sample = build_train_sampler(config())
    for length, frames in table.items():
        for frame, golden in frames.items():
            key, candidates = int(frame), {*golden["left_candidates"], *golden["right_candidates"]}
            draws = [sample(key, int(length), random.Random(seed)) for seed in range(24)]
            assert draws == golden["draws_random_seed_0_23"]
            more = (sample(key, int(length), random.Random(seed)) for seed in range(24, 300))
            assert {each for draw in (*draws, *more) for each in draw} == candidates


def test_still_images_are_their_own_references(tmp_path):
    golden = load_json("ref_sampling")["det_frame_range_0"]
    file_name = str(tmp_path / "image.png")
    cv2.imwrite(file_name, np.zeros((60, 100, 3), np.uint8))
    mapper = VIDDatasetMapper(config(SELSA, "DATASETS.TRAIN", "()"), True)
    sample = mapper({"file_name": file_name, "height": 60, "width": 100, "annotations": []})
    assert all(each is sample["image"] for each in sample["reference_images"])
    assert [golden["key"]] * len(sample["reference_images"]) == golden["refs"]


# Training schedule

# The learning rates in the cases are those of runs with fewer than the 8 clips of the configs.
CLIPS_A_STEP = {"selsa": 2, "troi": 4, "boxmask": 4}
SCHEDULES = pytest.mark.parametrize(
    ("kind", "name"), [("selsa", SELSA), ("troi", TROI), ("boxmask", BOXMASK)]
)


def optimizer_of(cfg: CfgNode) -> torch.optim.Optimizer:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    return Trainer.build_optimizer(cfg, network)


@SCHEDULES
def test_lr_schedule(kind: str, name: str):
    """With the 1,000 iterations an epoch of the cases, iteration by iteration."""
    golden = load_json("lr_schedule")[kind]
    cfg = config(name, "SOLVER.BASE_LR", golden["base_lr"])
    epoch, theirs = cfg.SOLVER.CHECKPOINT_PERIOD, golden["iters_per_epoch"]
    assert [step / epoch for step in cfg.SOLVER.STEPS] == golden["lr_config"]["step"]
    assert cfg.SOLVER.MAX_ITER / epoch == golden["total_epochs"]
    cfg.SOLVER.STEPS = tuple(step * theirs for step in golden["lr_config"]["step"])
    cfg.SOLVER.MAX_ITER = theirs * golden["total_epochs"]
    optimizer = optimizer_of(cfg)
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    for _ in range(cfg.SOLVER.MAX_ITER):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    for iteration, expected in golden["lr_at_iter"].items():
        assert rates[int(iteration)] == pytest.approx(expected, rel=1e-12), iteration


@SCHEDULES
def test_lr_schedule_of_the_config_itself(kind: str, name: str):
    """Warm-up as recorded; the steps at the starts of the same epochs."""
    golden = load_json("lr_schedule")[kind]
    cfg = config(name)
    scheduler = build_lr_scheduler(cfg, optimizer_of(cfg))
    scale = golden["base_lr"] / cfg.SOLVER.BASE_LR
    for iteration, expected in golden["lr_at_iter"].items():
        epoch, into = divmod(int(iteration), golden["iters_per_epoch"])
        if epoch == 0:
            own = into
        elif into == golden["iters_per_epoch"] - 1:  # the last one of its epoch
            own = (epoch + 1) * cfg.SOLVER.CHECKPOINT_PERIOD - 1
        else:
            own = epoch * cfg.SOLVER.CHECKPOINT_PERIOD + into
        scheduler.last_epoch = own
        assert scale * scheduler.get_lr()[0] == pytest.approx(expected, rel=1e-12), own


@SCHEDULES
def test_optimizer(kind: str, name: str):
    golden = load_json("lr_schedule")[kind]
    cfg = config(name)
    scaled = Trainer.auto_scale_workers(cfg, CLIPS_A_STEP[kind])
    assert cfg.SOLVER.BASE_LR == 0.01
    assert pytest.approx(golden["optimizer"]["lr"], rel=1e-12) == scaled.SOLVER.BASE_LR
    optimizer = optimizer_of(cfg)
    assert type(optimizer).__name__ == golden["optimizer"]["type"]
    for group in optimizer.param_groups:
        assert group["momentum"] == golden["optimizer"]["momentum"]
        assert group["weight_decay"] == golden["optimizer"]["weight_decay"]
    # the norm of all gradients together is clipped
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 100.0)
    optimizer.step()
    norm = torch.cat([each.grad.flatten() for each in parameters]).norm(
        golden["grad_clip"]["norm_type"]
    )
    close(norm, torch.tensor(float(golden["grad_clip"]["max_norm"])))


# Evaluation


def test_evaluation(tmp_path):
    golden = load_json("eval_golden")
    detections = {each["id"]: [] for each in golden["gt"]["images"]}
    for image_id, *row in (row for rows in golden["dets"] for row in rows):
        detections[image_id].append(row)
    name, path = "parity_eval_golden", tmp_path / "gt.json"
    path.write_text(json.dumps(golden["gt"]))
    register_vid_instances(name, {}, str(path), "")
    try:
        evaluator = VIDEvaluator(name)
        evaluator.reset()
        for record in DatasetCatalog.get(name):
            rows = torch.tensor(detections[record["image_id"]]).view(-1, 6)
            found = Instances(
                (record["height"], record["width"]),
                pred_boxes=Boxes(rows[:, 1:5]),
                scores=rows[:, 5],
                pred_classes=rows[:, 0].long(),
            )
            evaluator.process([record], [{"instances": found}])
        results = evaluator.evaluate()["bbox"]
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    ours = [results[key] / 100 for key in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
    ours = [f"{-1 if np.isnan(each) else each:.4f}" for each in ours]
    assert golden["result"].pop("bbox_mAP_copypaste").split() == ours
    assert [f"{each:.4f}" for each in golden["result"].values()] == ours


# Initialisation


def described(tensor: torch.Tensor) -> dict[str, float]:
    values = {"mean": tensor.mean(), "std": tensor.std(), "min": tensor.min(), "max": tensor.max()}
    return {key: value.item() for key, value in values.items()}


def tolerances(expected: dict, count: int) -> dict[str, float]:
    """How far two samples of ``count`` values of one distribution may be apart.

    Five standard errors of a difference of means and of standard deviations. The extremes of a
    uniform distribution (1.7 standard deviations from its mean) are within a few of its mean
    distances between neighbours, those of a normal one follow Gumbel's distribution.
    """
    std = expected["std"]
    if max(-expected["min"], expected["max"]) < 1.8 * std:
        extreme = 12 * (expected["max"] - expected["min"]) / count
    else:
        extreme = 8 * std / (2 * np.log(count)) ** 0.5
    return {
        "mean": 5 * std * (2 / count) ** 0.5,
        "std": 5 * std / count**0.5,
        "min": extreme + 1e-7,
        "max": extreme + 1e-7,
    }


@pytest.mark.parametrize(("kind", "name"), [("selsa", SELSA), ("boxmask", BOXMASK)])
def test_init_stats(kind: str, name: str):
    """New models of full width draw their parameters from the same distributions."""
    golden = load_json("init_stats")["mmdet_2.28.2"][kind]
    torch.manual_seed(0)
    model = build_model(config(name))
    unseen = {
        key for key, _ in model.named_parameters() if not key.startswith("backbone.bottom_up")
    }
    for theirs, expected in golden.items():
        place = convert_mmtracking({theirs: torch.empty(expected["shape"], device="meta")})
        for ours in place:  # none for the convolution that is never used
            parameter = model.get_parameter(ours).detach()
            assert list(parameter.shape) == expected["shape"]
            found, allowed = described(parameter), tolerances(expected, parameter.numel())
            for key, value in found.items():
                if expected["std"] == 0:
                    assert value == expected[key], (ours, key)
                else:
                    assert abs(value - expected[key]) <= allowed[key], (ours, key, found, expected)
            unseen.remove(ours)
    assert not unseen
