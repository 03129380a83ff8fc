"""Config keys that say what a checkpoint is a model of, from names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

Shapes = Mapping[str, tuple[int, ...]]

DEPTHS = {"6": "50", "23": "101", "36": "152"}  # by the number of blocks of res4
AGGREGATORS = "roi_heads.box_head.aggregators."


def config_differences(found: Shapes, expected: Shapes) -> list[str]:
    """Keys with the values of a checkpoint, where they are not those of the model.

    Args:
        found: shapes of the tensors of the checkpoint, by name.
        expected: those of the model.

    Returns:
        texts like "MODEL.VID.TROI.ENABLED True".
    """
    of_checkpoint, of_model = _keys(found), _keys(expected)
    return [
        f"{key} {value}"
        for key, value in of_checkpoint.items()
        if value and value != of_model.get(key)
    ]


def _keys(shapes: Shapes) -> dict[str, str]:
    """Values of the config keys that tensors tell of; empty where they do not."""
    cls_score = shapes.get("roi_heads.box_predictor.cls_score.weight")
    if cls_score is None:  # a backbone alone
        return {}
    fully_connected = _count(shapes, r"roi_heads\.box_head\.fc(\d+)\.weight")
    blocks = _count(shapes, r"backbone\.bottom_up\.res4\.(\d+)\.conv1\.weight")
    head = "SelsaBoxHead" if _has(shapes, AGGREGATORS) else "FastRCNNConvFCHead"
    return {
        "MODEL.RESNETS.DEPTH": DEPTHS.get(str(blocks), ""),
        "MODEL.VID.NECK.OUT_CHANNELS": _rows(shapes, "backbone.channel_mapper.weight"),
        "MODEL.VID.TROI.ENABLED": str(_has(shapes, "roi_heads.temporal_roi_align.")),
        "MODEL.ROI_BOX_HEAD.NAME": head,
        "MODEL.ROI_BOX_HEAD.NUM_FC": str(fully_connected),
        "MODEL.ROI_BOX_HEAD.FC_DIM": _rows(shapes, "roi_heads.box_head.fc1.weight"),
        "MODEL.BOXMASK.ENABLED": str(_has(shapes, "roi_heads.mask_head.")),
        "MODEL.ROI_HEADS.NUM_CLASSES": str(cls_score[0] - 1),
    }


def _has(names: Collection[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _count(names: Collection[str], pattern: str) -> int:
    return len({match[1] for name in names if (match := re.fullmatch(pattern, name))})


def _rows(shapes: Shapes, name: str) -> str:
    return str(shapes[name][0]) if name in shapes else ""
