"""Contact sheet: detections beside ground truth, on frames from a whole data set."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from detectron2.data.detection_utils import read_image
from detectron2.structures import BoxMode
from detectron2.utils.colormap import colormap
from detectron2.utils.visualizer import Visualizer

from ...files import written_whole

SCALE = 1.5  # of the frames on the sheet
TITLE_HEIGHT = 24  # pixels


def write_contact_sheet(
    dataset_name: str,
    detections_file: Path,
    output: Path,
    *,
    threshold: float = 0.5,
    videos: int = 6,
    frames: int = 4,
) -> Path:
    """Write a picture with a row per video: pairs of ground truth and detections.

    Args:
        dataset_name: registered videos.
        detections_file: COCO-style results, as ``VIDEvaluator`` writes them.
        output: PNG to write.
        threshold: detections with lower scores are not shown.
        videos: number of rows, spread over the data set.
        frames: number of pairs in a row, spread over the video.
    """
    by_video, by_image = defaultdict(list), defaultdict(list)
    for record in DatasetCatalog.get(dataset_name):
        by_video[record["video_id"]].append(record)
    for detection in json.loads(detections_file.read_text()):
        if detection["score"] >= threshold:
            by_image[detection["image_id"]].append(detection)
    metadata = MetadataCatalog.get(dataset_name)
    rows = []
    for video in _spread(list(by_video), videos):
        pairs = [
            _pair(record, by_image[record["image_id"]], metadata)
            for record in _spread(by_video[video], frames)
        ]
        rows.append(np.hstack(pairs))
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
    write_picture(output, np.vstack(rows)[:, :, ::-1])
    return output


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a BGR picture (H, W, 3) as PNG or JPEG; ``cv2.imwrite`` says nothing of a full disk.

    Raises:
        InputError: if it cannot be written.
    """
    with written_whole(path) as unfinished:
        unfinished.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())


def _pair(record: dict, detections: list[dict], metadata: Metadata) -> np.ndarray:
    """Draw ground truth and detections of a frame side by side, (H, W, 3) RGB."""
    frame = read_image(record["file_name"], format="RGB")
    label_of = metadata.thing_dataset_id_to_contiguous_id
    truth = [(box["category_id"], box["bbox"], "") for box in record["annotations"]]
    found = [
        (label_of[detection["category_id"]], detection["bbox"], f" {detection['score']:.0%}")
        for detection in detections
    ]
    title = f"ground truth, video {record['video_id']} frame {record['frame_index']}"
    panels = [
        titled(_drawn(frame, truth, metadata), title),
        titled(_drawn(frame, found, metadata), "detections"),
    ]
    return np.hstack(panels)


def _drawn(frame: np.ndarray, boxes: list[tuple], metadata: Metadata) -> np.ndarray:
    """Draw classes, (x, y, width, height) and words into a frame, a colour for each class."""
    colors = (1 + 2 * colormap(rgb=True, maximum=1)) / 3  # lighter, as frames may be dark
    names = metadata.thing_classes
    corners = np.array([box for _, box, _ in boxes], dtype=float).reshape(-1, 4)
    drawn = Visualizer(frame, metadata, scale=SCALE).overlay_instances(
        boxes=BoxMode.convert(corners, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS),
        labels=[f"{names[label]}{words}" for label, _, words in boxes],
        assigned_colors=[colors[label % len(colors)] for label, _, _ in boxes],
    )
    return drawn.get_image()


def titled(panel: np.ndarray, title: str) -> np.ndarray:
    """Add a border and a line of text above a picture (H, W, 3)."""
    panel = cv2.copyMakeBorder(panel, TITLE_HEIGHT, 2, 2, 2, cv2.BORDER_CONSTANT)
    font = cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    return cv2.putText(panel, title, (4, 17), *font)


def _spread(items: list, count: int) -> list:
    """Choose up to ``count`` items, evenly from first to last."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in chosen]
