"""Sizes of images that a COCO-VID JSON lacks, or that the boxes show to be those of the files."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from ....data.datasets.vid_columns import VIDColumns


def fix_sizes(content: dict, file_sizes: dict[int, tuple[int, int]]) -> tuple[int, set[int]]:
    """Take sizes from the files, in place: unknown ones, and those of videos whose boxes fit them.

    Args:
        content: a COCO-VID JSON that can be checked.
        file_sizes: width and height of image files, where they are not those of the JSON, by
            position.

    Returns:
        the number of images that have been changed; positions of images that have still another
        size than their files.
    """
    columns, images = VIDColumns(content), content["images"]
    taken = {row for row in file_sizes if (columns.sizes[row] < 1).any()}
    disagree = defaultdict(set)
    for row in set(file_sizes) - taken:
        disagree[images[row]["video_id"]].add(row)
    for rows in disagree.values():
        beyond_listed, beyond_file = _boxes_beyond(columns, rows, file_sizes)
        if beyond_file < beyond_listed:
            taken |= rows
    for row in taken:
        images[row]["width"], images[row]["height"] = file_sizes[row]
    return len(taken), set(file_sizes) - taken


def _boxes_beyond(
    columns: VIDColumns, rows: set[int], file_sizes: dict[int, tuple[int, int]]
) -> tuple[int, int]:
    """Count the boxes that end beyond the listed sizes, and those beyond the sizes of the files."""
    boxes = columns.boxes[np.isin(columns.image_rows, list(rows))]
    of_images = columns.image_rows[np.isin(columns.image_rows, list(rows))]
    ends = boxes[:, :2] + boxes[:, 2:]
    listed = columns.sizes[of_images][:, ::-1]
    files = np.array([file_sizes[row] for row in of_images.tolist()]).reshape(-1, 2)
    return int((ends > listed).any(axis=1).sum()), int((ends > files).any(axis=1).sum())
