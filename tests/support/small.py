"""Small models and samples for tests."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances

from boxmask_vid.engine import build_cfg
from boxmask_vid.structures import BoxMasks
from support.paths import CONFIGS

SMALLEST = [
    *("MODEL.DEVICE", "cpu", "DATALOADER.NUM_WORKERS", "0", "SEED", "7"),
    *("MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "32"),
    *("MODEL.RESNETS.WIDTH_PER_GROUP", "8", "MODEL.VID.NECK.OUT_CHANNELS", "16"),
    *("MODEL.ROI_BOX_HEAD.FC_DIM", "16", "MODEL.ROI_MASK_HEAD.CONV_DIM", "8"),
    *("MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", "7", "MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION", "14"),
    *("MODEL.RPN.POST_NMS_TOPK_TRAIN", "20", "MODEL.RPN.POST_NMS_TOPK_TEST", "10"),
    *("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "16", "MODEL.VID.TEST.NUM_REFERENCES", "4"),
]
KINDS = {
    "faster_rcnn": [
        *("INPUT.VID.TRAIN.NUM_REFERENCES", "0"),
        *("MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead", "MODEL.VID.TROI.ENABLED", "False"),
        *("MODEL.BOXMASK.ENABLED", "False"),
    ],
    "selsa": ["MODEL.VID.TROI.ENABLED", "False", "MODEL.BOXMASK.ENABLED", "False"],
    "troi": ["MODEL.BOXMASK.ENABLED", "False"],
    "boxmask": [],
    "boxmask_selsa": ["MODEL.VID.TROI.ENABLED", "False"],
    "boxmask_faster_rcnn": [
        *("INPUT.VID.TRAIN.NUM_REFERENCES", "0"),
        *("MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead", "MODEL.VID.TROI.ENABLED", "False"),
    ],
}
CONFIG = str(CONFIGS / "SyntheticVID/boxmask_selsa_troi_thin_R_50_DC5.yaml")


def small_cfg(kind: str = "boxmask", *opts: object) -> CfgNode:
    """A config of the smallest model of a kind."""
    return build_cfg(CONFIG, [*SMALLEST, *KINDS[kind], *map(str, opts)])


def small_model(kind: str = "boxmask", *opts: object) -> torch.nn.Module:
    """The smallest model of a kind with the same random weights every time."""
    torch.manual_seed(0)
    return build_model(small_cfg(kind, *opts))


def image(height: int = 64, width: int = 96, seed: int = 0) -> torch.Tensor:
    """(3, H, W) uint8 of noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def truth(height: int = 64, width: int = 96, boxes: tuple = ((8.0, 8.0, 50.0, 44.0),)) -> Instances:
    """Ground truth with filled masks; class i for box i."""
    tensor = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances(
        (height, width),
        gt_boxes=Boxes(tensor),
        gt_classes=torch.arange(len(tensor)) % 4,
        gt_masks=BoxMasks(tensor.round(), (height, width)),
    )


def clip(
    height: int = 64,
    width: int = 96,
    *,
    references: int = 2,
    boxes: tuple | None = None,
    seed: int = 0,
) -> dict:
    """A training sample."""
    kwargs = {} if boxes is None else {"boxes": boxes}
    return {
        "image": image(height, width, seed),
        "height": height,
        "width": width,
        "instances": truth(height, width, **kwargs),
        "reference_images": [image(height, width, seed + 1 + i) for i in range(references)],
    }


def frame(index: int, video_id: object = 1, *, references: int | None = None, **size: int) -> dict:
    """A test sample; ``references`` is the number of its references, None for no such key."""
    picture = image(**size, seed=100 * hash(video_id) % 1000 + index)
    sample = {
        "image": picture,
        "height": picture.shape[1],
        "width": picture.shape[2],
        "video_id": video_id,
        "frame_index": index,
    }
    if references is not None:
        sample["reference_images"] = [
            image(**size, seed=50 + number) for number in range(references)
        ]
    return sample
