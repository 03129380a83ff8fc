"""The part of a data set that shows flying objects."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ...files import read_json, write_json

FLYING = ("airplane", "bird", "drone", "helicopter")


def write_flying_classes(source: Path, target: Path) -> None:
    """Write the videos of a COCO-VID JSON that show something that flies, not their images.

    Raises InputError if there are no such videos, FileNotFoundError without the JSON.
    """
    if not source.is_file():
        raise FileNotFoundError(f"{source} not found: give the folder of mini_vid with --data.")
    content = read_json(source)
    categories = [record for record in content["categories"] if record["name"] in FLYING]
    ids = {category["id"] for category in categories}
    boxes = [record for record in content["annotations"] if record["category_id"] in ids]
    if not boxes:
        raise InputError(f"{source} has no boxes of {', '.join(FLYING)}: give another --data.")
    shown = {box["image_id"] for box in boxes}
    videos = {image["video_id"] for image in content["images"] if image["id"] in shown}
    write_json(
        target,
        {
            "categories": categories,
            "videos": [video for video in content["videos"] if video["id"] in videos],
            "images": [image for image in content["images"] if image["video_id"] in videos],
            "annotations": boxes,
        },
    )
