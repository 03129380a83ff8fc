"""Built-in data sets: trees under ``$DETECTRON2_DATASETS`` (see datasets/README.md)."""

from __future__ import annotations

import os

from detectron2.data.datasets import register_coco_instances

from .imagenet_vid_categories import CLASS_NAMES
from .registration import register_vid_instances

# name: (JSON, image root)
VIDEO_DATASETS = {
    f"{name}_{split}": (f"{tree}/coco_vid/imagenet_vid_{split}.json", f"{tree}/Data/VID")
    for name, tree in (("imagenet_vid", "ILSVRC2015"), ("synthetic_vid", "synthetic_vid"))
    for split in ("train", "val")
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
