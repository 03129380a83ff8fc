"""Hand-made ground truth and detections."""

from __future__ import annotations

from boxmask_vid.evaluation.detections import Detections
from boxmask_vid.evaluation.ground_truth import GroundTruth

SIZE = 400


def truth_of(boxes, *, frames=1, classes=2, videos=1, **extra):
    """Ground truth from (image id, class, track, box) rows; ``frames`` images in each video.

    Args:
        extra: fields of all annotations.
    """
    images = [
        {"id": 1 + video * frames + frame, "video_id": 1 + video, "frame_id": frame,
         "file_name": f"video_{video}/{frame:06d}.jpg", "width": SIZE, "height": SIZE}
        for video in range(videos)
        for frame in range(frames)
    ]  # fmt: skip
    annotations = [
        {"id": number, "image_id": image, "category_id": label, "instance_id": track, "bbox": box,
         **extra}
        for number, (image, label, track, box) in enumerate(boxes, start=1)
    ]  # fmt: skip
    categories = [{"id": 1 + label, "name": f"class {label}"} for label in range(classes)]
    listed = [{"id": 1 + video, "name": f"video_{video}"} for video in range(videos)]
    parts = {"categories": categories, "videos": listed, "images": images}
    return GroundTruth.from_coco({**parts, "annotations": annotations})


def found(truth, *rows):
    """Detections from (image id, class, score, box) rows."""
    names = "image_id", "category_id", "score", "bbox"
    return Detections.from_coco([dict(zip(names, row, strict=True)) for row in rows], truth)
