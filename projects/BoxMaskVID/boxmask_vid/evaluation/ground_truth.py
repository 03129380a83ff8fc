"""Ground truth of a video data set in columns, for the scorers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..data.datasets.vid_json import VIDTable, read_vid_json, vid_table
from ..errors import InputError

OF_BOX = ("classes", "tracks", "boxes", "areas", "is_crowd", "occluded")


@dataclass(frozen=True)
class GroundTruth:
    """I images, ordered by image id; A boxes, ordered by image and then as in the file.

    Classes, videos and images are numbered from 0, in the order of their ids.
    """

    category_ids: np.ndarray  # (C,) sorted
    class_names: tuple[str, ...]
    image_ids: np.ndarray  # (I,) sorted
    image_videos: np.ndarray  # (I,) position in `video_ids`
    image_frames: np.ndarray  # (I,) number of the frame in its video, from 0
    image_sizes: np.ndarray  # (I, 2) height, width
    video_ids: np.ndarray  # (V,) sorted
    ids: np.ndarray  # (A,) annotation ids; they may repeat
    images: np.ndarray  # (A,) position in `image_ids`
    classes: np.ndarray  # (A,) position in `category_ids`
    tracks: np.ndarray  # (A,) instance ids, unique in a video; -1 without one
    boxes: np.ndarray  # (A, 4) x, y, width, height in pixels
    areas: np.ndarray  # (A,) as COCO's area ranges take them
    is_crowd: np.ndarray  # (A,) bool
    occluded: np.ndarray  # (A,) 0 or 1, -1 if unknown

    @classmethod
    def from_coco(cls, content: dict, source: str = "ground truth") -> GroundTruth:
        """Ground truth from a decoded COCO-VID JSON; messages name its ``source``.

        Raises:
            InputError: if a value in it is invalid.
        """
        return cls.from_table(vid_table(content, source))

    @classmethod
    def read(cls, path: str) -> GroundTruth:
        """Ground truth from a COCO-VID JSON file.

        Raises:
            InputError: if a value in it is invalid.
            FileNotFoundError: if the file does not exist.
        """
        return cls.from_table(read_vid_json(path))

    @classmethod
    def from_table(cls, table: VIDTable) -> GroundTruth:
        """The same columns, ordered as pycocotools goes through them."""
        by_id = np.argsort(table.image_ids)
        rank = np.argsort(by_id)
        counts = np.diff(table.annotation_ends, prepend=0)
        images = np.repeat(rank, counts)
        order = np.argsort(images, kind="stable")
        video_ids, videos = np.unique(table.video_ids, return_inverse=True)
        return cls(
            category_ids=table.category_ids,
            class_names=table.category_names,
            image_ids=table.image_ids[by_id],
            image_videos=videos[by_id],
            image_frames=table.frame_ids[by_id],
            image_sizes=table.sizes[by_id],
            video_ids=video_ids,
            ids=table.annotation_ids[order],
            images=images[order],
            **{name: getattr(table, name)[order] for name in OF_BOX},
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.category_ids)

    @property
    def videos(self) -> np.ndarray:
        """(A,) video of each box."""
        return self.image_videos[self.images]

    @property
    def frames(self) -> np.ndarray:
        """(A,) number of the frame of each box in its video."""
        return self.image_frames[self.images]

    def of_images(self, image_ids: np.ndarray) -> tuple[GroundTruth, np.ndarray]:
        """Part in some of the images, and (A,) bool, whether a box is in it.

        All videos and classes stay. Image ids may have any order.

        Raises:
            InputError: if an image is not in it.
        """
        missing = np.setdiff1d(image_ids, self.image_ids)
        if len(missing):
            raise InputError(f"image_id {missing[0]} is not in the ground truth: use one that is.")
        kept_images = np.isin(self.image_ids, image_ids)
        kept = kept_images[self.images]
        of_image = ("image_ids", "image_videos", "image_frames", "image_sizes")
        part = replace(
            self,
            images=(np.cumsum(kept_images) - 1)[self.images[kept]],
            **{name: getattr(self, name)[kept_images] for name in of_image},
            **{name: getattr(self, name)[kept] for name in ("ids", *OF_BOX)},
        )
        return part, kept
