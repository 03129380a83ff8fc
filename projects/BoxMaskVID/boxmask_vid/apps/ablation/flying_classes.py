"""The part of a data set that has some of its classes."""

from __future__ import annotations

from pathlib import Path

from ...errors import InputError
from ...files import read_json, write_json

FLYING = ("airplane", "bird", "drone", "helicopter")


def write_flying_classes(source: Path, target: Path) -> None:
    """Write the videos of a COCO-VID JSON that show something that flies, not their images.

    Raises:
        InputError: if there is none.
        FileNotFoundError: if there is no such file.
    """
    if not source.is_file():
        raise FileNotFoundError(f"There is no {source}: give the folder of mini_vid with --data.")
    content = read_json(source)
    categories = [each for each in content["categories"] if each["name"] in FLYING]
    ids = {each["id"] for each in categories}
    annotations = [each for each in content["annotations"] if each["category_id"] in ids]
    if not annotations:
        raise InputError(f"{source} has no boxes of {', '.join(FLYING)}: give another --data.")
    shown = {each["image_id"] for each in annotations}
    videos = {each["video_id"] for each in content["images"] if each["id"] in shown}
    write_json(
        target,
        {
            "categories": categories,
            "videos": [each for each in content["videos"] if each["id"] in videos],
            "images": [each for each in content["images"] if each["video_id"] in videos],
            "annotations": annotations,
        },
    )
