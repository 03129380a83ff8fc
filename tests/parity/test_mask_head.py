"""Mask targets and the mask head against the reference implementation."""

import numpy as np
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import build_mask_head
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from boxmask_vid.data.dataset_mapper import build_resize, filled_box
from boxmask_vid.engine import build_cfg
from boxmask_vid.structures import BoxMasks
from support.golden import GOLDEN, close, converted, equal, load
from support.parity_models import BOXMASK, config, leaf


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
