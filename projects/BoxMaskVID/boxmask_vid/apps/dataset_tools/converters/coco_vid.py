"""Building COCO-VID content record by record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tabulate import tabulate

from ....errors import InputError


class CocoVidBuilder:
    """Assigns ids and collects the records of one COCO-VID JSON.

    Attributes:
        content: the records so far.
    """

    def __init__(self, info: dict, categories: Sequence[dict]) -> None:
        self.content: dict = {
            "info": info,
            "categories": list(categories),
            "videos": [],
            "images": [],
            "annotations": [],
        }
        self._category_ids = {category["name"]: category["id"] for category in categories}
        self._names: set[str] = set()
        self._tracks: dict[tuple, int] = {}

    def add_video(self, name: str, **more: object) -> int:
        """Add a video and return its id.

        Raises:
            InputError: if there is a video of that name.
        """
        if name in self._names:
            raise InputError(f"Two videos have the name '{name}': rename one of them.")
        self._names.add(name)
        video_id = len(self.content["videos"]) + 1
        self.content["videos"].append({"id": video_id, "name": name, **more})
        return video_id

    def add_frame(self, video_id: int, frame_id: int, size: tuple[int, int], **more: object) -> int:
        """Add a frame, numbered from 0 in its video, and return its image id.

        ``size`` is width and height in pixels, ``more`` has other fields, such as file_name.
        """
        image_id = len(self.content["images"]) + 1
        self.content["images"].append(
            {
                "id": image_id,
                "video_id": video_id,
                "frame_id": frame_id,
                "width": size[0],
                "height": size[1],
                **more,
            }
        )
        return image_id

    def add_box(
        self,
        image_id: int,
        category: str,
        bbox: Sequence[float],
        *,
        track: object = None,
        **more: object,
    ) -> None:
        """Add a box: x, y, width, height in pixels, with the name of its class.

        ``track`` identifies the object in its video; None if that is not known. ``more`` has other
        fields, such as iscrowd and occluded.
        """
        video_id = self.content["images"][image_id - 1]["video_id"]
        record = {
            "id": len(self.content["annotations"]) + 1,
            "image_id": image_id,
            "video_id": video_id,
            "category_id": self._category_ids[category],
            "bbox": list(bbox),
            "area": bbox[2] * bbox[3],
            "iscrowd": 0,
            **more,
        }
        if track is not None:
            record["instance_id"] = self._tracks.setdefault(
                (video_id, track), len(self._tracks) + 1
            )
        self.content["annotations"].append(record)


def summary(content: dict) -> str:
    """Counts of a COCO-VID (or COCO) content, and a table of its boxes and tracks by class."""
    annotations = content["annotations"]
    boxes = Counter(annotation["category_id"] for annotation in annotations)
    pairs = {
        (box["category_id"], box["instance_id"]) for box in annotations if "instance_id" in box
    }
    tracks = Counter(category for category, _ in pairs)
    rows = [
        [category["name"], boxes[category["id"]], tracks[category["id"]]]
        for category in content["categories"]
    ]
    rows.append(["total", sum(boxes.values()), sum(tracks.values())])
    keys = sum(image.get("is_vid_train_frame", False) for image in content["images"])
    head = f"{len(content['images'])} frames, {keys} marked as key frames"
    if "videos" in content:
        head = f"{len(content['videos'])} videos, {head}"
    return f"{head}\n{tabulate(rows, headers=['class', 'boxes', 'tracks'])}"
