"""A small COCO-VID JSON with its images, to break in tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_images(root: Path) -> Path:
    """Write two videos of three frames, 64 x 48, below a folder."""
    for video in "ab":
        (root / video).mkdir()
        for index in range(3):
            noise = np.random.default_rng(index).integers(80, 100, (48, 64, 3), np.uint8)
            cv2.imwrite(str(root / video / f"{index}.jpg"), noise)
    return root


def healthy() -> dict:
    """Tracks 1 and 2, one in each video, that move by a pixel a frame."""
    content = {
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "videos": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "images": [],
        "annotations": [],
    }
    for video, name in ((1, "a"), (2, "b")):
        for index in range(3):
            content["images"].append(
                {
                    "id": len(content["images"]) + 1,
                    "video_id": video,
                    "frame_id": index,
                    "file_name": f"{name}/{index}.jpg",
                    "width": 64,
                    "height": 48,
                }
            )
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": len(content["images"]),
                    "category_id": video,
                    "instance_id": video,
                    "bbox": [10 + index, 12, 10, 8],
                }
            )
    return content
