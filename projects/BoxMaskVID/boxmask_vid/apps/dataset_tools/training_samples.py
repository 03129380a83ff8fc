"""Pictures of training samples: key frames with their reference frames, after the mapper."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.visualizer import Visualizer

from ...config import get_config_file
from ...data import VIDDatasetMapper, register_vid_instances
from ...engine.setup import build_cfg
from .contact_sheet import titled, write_picture

GREEN = (0.1, 0.9, 0.1)


def draw_samples(
    json_file: Path, images: Path, output: Path, *, count: int, config_file: str | None = None
) -> None:
    """Write pictures of key frames, boxes drawn, with reference frames beside them.

    Args:
        json_file: COCO-VID JSON that can be trained on.
        images: image root.
        output: folder for the pictures.
        count: number of key frames, drawn from the whole data set.
        config_file: config whose ``INPUT`` is used; None for that of the ImageNet VID models.

    Raises:
        InputError: if the JSON cannot be trained on, or a picture cannot be written.
    """
    name = f"to draw: {json_file}"
    register_vid_instances(name, {}, str(json_file), str(images))
    try:
        config = config_file or get_config_file("Base-VideoRCNN-DC5.yaml")
        cfg = build_cfg(config, ["DATASETS.TRAIN", repr((name,)), "MODEL.DEVICE", "cpu"])
        records = [record for record in DatasetCatalog.get(name) if record["annotations"]]
        chosen = random.Random(0).sample(records, min(count, len(records)))
        mapper = VIDDatasetMapper(cfg, True)
        output.mkdir(parents=True, exist_ok=True)
        for number, record in enumerate(chosen):
            picture = _draw(mapper({**record, "sample_seed": number}), cfg, name)
            write_picture(output / f"sample_{number:03d}.jpg", picture)
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    print(f"wrote {len(chosen)} pictures to {output}")


def _draw(sample: dict, cfg: CfgNode, dataset_name: str) -> np.ndarray:
    """Draw a sample of the mapper, (H, W, 3) BGR."""
    images = [sample["image"], *sample["reference_images"]]
    to_bgr = 1 if cfg.INPUT.FORMAT == "BGR" else -1
    frames = [image.numpy().transpose(1, 2, 0)[:, :, ::to_bgr] for image in images]
    instances, class_names = sample["instances"], MetadataCatalog.get(dataset_name).thing_classes
    labels = [class_names[index] for index in instances.gt_classes.tolist()]
    drawn = Visualizer(frames[0][:, :, ::-1]).overlay_instances(
        boxes=instances.gt_boxes.tensor.numpy(),
        labels=labels,
        assigned_colors=[GREEN] * len(labels),
    )
    frames[0] = drawn.get_image()[:, :, ::-1]
    titles = [f"key frame {sample['frame_index']} of video {sample['video_id']}"]
    titles += [f"reference {index}" for index in range(1, len(images))]
    panels = zip(frames, titles, strict=True)
    return np.hstack([titled(np.ascontiguousarray(frame), title) for frame, title in panels])
