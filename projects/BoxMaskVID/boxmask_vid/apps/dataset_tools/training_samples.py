"""Pictures of training samples: key frames with their reference frames, after the mapper."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.visualizer import Visualizer

from ...data import VIDDatasetMapper
from .contact_sheet import titled

GREEN = (0.1, 0.9, 0.1)


def draw_training_samples(
    cfg: CfgNode, dataset_name: str, output: Path, *, count: int, seed: int = 0
) -> list[Path]:
    """Write pictures of some key frames, boxes drawn, with reference frames beside them.

    Args:
        cfg: config with the data set in ``DATASETS.TRAIN``; the mapper uses its ``INPUT``.
        dataset_name: registered videos.
        output: folder for the pictures.
        count: number of key frames, drawn from the whole data set.
        seed: seed of that choice and of the augmentation.
    """
    mapper = VIDDatasetMapper(cfg, True)
    records = [record for record in DatasetCatalog.get(dataset_name) if record["annotations"]]
    chosen = random.Random(seed).sample(records, min(count, len(records)))
    written = []
    output.mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(chosen):
        sample = mapper({**record, "sample_seed": seed + number})
        metadata = MetadataCatalog.get(dataset_name)
        panels = [_key_frame(sample, metadata.thing_classes, cfg.INPUT.FORMAT)]
        for index, image in enumerate(sample["reference_images"], start=1):
            panels.append(titled(_bgr(image.numpy(), cfg.INPUT.FORMAT), f"reference {index}"))
        path = output / f"sample_{number:03d}.jpg"
        cv2.imwrite(str(path), np.hstack(panels))
        written.append(path)
    return written


def _bgr(image: np.ndarray, format: str) -> np.ndarray:
    """Convert (3, H, W) of the mapper to (H, W, 3) BGR."""
    image = np.ascontiguousarray(image.transpose(1, 2, 0))
    return image if format == "BGR" else np.ascontiguousarray(image[:, :, ::-1])


def _key_frame(sample: dict, class_names: list[str], format: str) -> np.ndarray:
    frame = _bgr(sample["image"].numpy(), format)
    instances = sample["instances"]
    labels = [class_names[index] for index in instances.gt_classes.tolist()]
    drawn = Visualizer(frame[:, :, ::-1]).overlay_instances(
        boxes=instances.gt_boxes.tensor.numpy(),
        labels=labels,
        assigned_colors=[GREEN] * len(labels),
    )
    title = f"key frame {sample['frame_index']} of video {sample['video_id']}"
    return titled(np.ascontiguousarray(drawn.get_image()[:, :, ::-1]), title)
