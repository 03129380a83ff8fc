"""Parts of models with the settings of the published configs, for parity tests."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_proposal_generator, build_roi_heads
from detectron2.structures import Boxes

from boxmask_vid.engine import build_cfg
from boxmask_vid.modeling import accelerate
from support.paths import CONFIGS

SELSA, TROI, BOXMASK = (
    f"ImageNetVID/{name}_R_50_DC5_7e.yaml" for name in ("selsa", "selsa_troi", "boxmask_selsa_troi")
)
BBOX_HEAD = "detector.roi_head.bbox_head."
INTO_THE_IMAGE = 128.0  # the boxes of the NMS case start left of and above the image


def config(name: str = SELSA, *opts: object) -> CfgNode:
    return build_cfg(str(CONFIGS / name), list(map(str, opts)))


def roi_heads(
    name: str = SELSA, channels: int = 8, *opts: object, accelerated: bool = True
) -> torch.nn.Module:
    """The RoI heads of a config with small layers."""
    small = ["MODEL.ROI_BOX_HEAD.FC_DIM", 32, "MODEL.VID.SELSA.NUM_HEADS", 4]
    small += ["MODEL.ROI_MASK_HEAD.CONV_DIM", 8, *opts]
    heads = build_roi_heads(
        config(name, *small), {"c5": ShapeSpec(channels=channels, stride=16)}
    ).eval()
    return accelerate(heads) if accelerated else heads


def rpn(name: str = SELSA, *opts: object) -> torch.nn.Module:
    shape = {"c5": ShapeSpec(channels=16, stride=16)}
    return build_proposal_generator(config(name, *opts), shape).eval()


def leaf(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.clone().requires_grad_()


def rois_of(rois: torch.Tensor, images: int) -> list[Boxes]:
    """(N, 5) RoIs with the image first -> boxes of each image."""
    return [Boxes(rois[rois[:, 0] == image, 1:]) for image in range(images)]


def assigned(matches: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Assignments as the reference numbers them: -1 ignored, 0 background, i + 1 ground truth i."""
    return torch.where(labels == 1, matches + 1, labels.long())
