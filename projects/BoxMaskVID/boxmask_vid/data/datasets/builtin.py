"""Built-in data sets: trees under ``$DETECTRON2_DATASETS`` (see datasets/README.md)."""

from __future__ import annotations

import os

from detectron2.data.datasets import register_coco_instances

from .imagenet_vid_categories import CLASS_NAMES
from .registration import register_vid_instances

# name: (JSON, image root)
VIDEO_DATASETS = {
    "imagenet_vid_train": ("ILSVRC2015/coco_vid/imagenet_vid_train.json", "ILSVRC2015/Data/VID"),
    "imagenet_vid_val": ("ILSVRC2015/coco_vid/imagenet_vid_val.json", "ILSVRC2015/Data/VID"),
    "synthetic_vid_train": (
        "synthetic_vid/coco_vid/imagenet_vid_train.json",
        "synthetic_vid/Data/VID",
    ),
    "synthetic_vid_val": ("synthetic_vid/coco_vid/imagenet_vid_val.json", "synthetic_vid/Data/VID"),
}
STILL_DATASETS = {
    "imagenet_det_30plus1_train": (
        "ILSVRC2015/coco_vid/imagenet_det_30plus1_train.json",
        "ILSVRC2015/Data/DET",
    ),
}


def register_builtin_datasets(root: str) -> None:
    """Register the built-in data sets below ``root``; files are read when they are used."""
    for name, (json_file, images) in VIDEO_DATASETS.items():
        register_vid_instances(name, {}, os.path.join(root, json_file), os.path.join(root, images))
    for name, (json_file, images) in STILL_DATASETS.items():
        metadata = {"thing_classes": list(CLASS_NAMES)}
        paths = os.path.join(root, json_file), os.path.join(root, images)
        register_coco_instances(name, metadata, *paths)


register_builtin_datasets(os.path.expanduser(os.getenv("DETECTRON2_DATASETS", "datasets")))
