"""Linking in all videos of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np

from ...errors import InputError
from ...evaluation.detections import Detections
from ...evaluation.ground_truth import GroundTruth
from ...progress import progress
from .link_classifier import LinkClassifier
from .seq_nms import seq_nms
from .tubelets import link_tubelets

Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # frames, boxes, scores, classes


def with_seq_nms(
    ground_truth: GroundTruth,
    detections: Detections,
    *,
    rescoring: Literal["average", "max"] = "average",
) -> Detections:
    """Detections after :func:`seq_nms`, which describes the options.

    The ground truth gives the frames of the videos; its boxes are not used.

    Raises:
        InputError: if a score is negative.
    """
    if (detections.scores < 0).any():
        raise InputError(
            f"A detection has the score {detections.scores.min()}: Seq-NMS adds scores, use scores "
            "of 0 or more."
        )

    def link(
        frames: np.ndarray, boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray
    ) -> Columns:
        kept, rescored = seq_nms(frames, boxes, scores, classes, rescoring=rescoring)
        return frames[kept], boxes[kept], rescored, classes[kept]

    return _in_each_video(ground_truth, detections, link)


def with_tubelets(
    ground_truth: GroundTruth,
    detections: Detections,
    *,
    classifier: LinkClassifier = LinkClassifier(),  # noqa: B008 - frozen
    smoothing: float = 0.6,
) -> Detections:
    """Detections after :func:`link_tubelets`, which describes the options.

    The ground truth gives the frames of the videos; its boxes are not used.
    """
    link = partial(link_tubelets, classifier=classifier, smoothing=smoothing)
    return _in_each_video(ground_truth, detections, link)


def learn_links(ground_truth: GroundTruth) -> LinkClassifier:
    """Classifier for :func:`with_tubelets` from the tracks of other videos, e.g. of training.

    Raises:
        InputError: if there are no tracks to learn from.
    """
    used = (ground_truth.tracks >= 0) & ~ground_truth.is_crowd
    columns = (ground_truth.frames, ground_truth.boxes, ground_truth.classes, ground_truth.tracks)
    columns_used = [column[used] for column in columns]
    videos = _rows_by_value(ground_truth.videos[used])
    return LinkClassifier.fit([tuple(column[rows] for column in columns_used) for rows in videos])


def _in_each_video(
    ground_truth: GroundTruth, detections: Detections, link: Callable[..., Columns]
) -> Detections:
    images_of_video = np.lexsort((ground_truth.image_frames, ground_truth.image_videos))
    first_images = np.searchsorted(
        ground_truth.image_videos[images_of_video], np.arange(len(ground_truth.video_ids))
    )
    videos = ground_truth.image_videos[detections.images]
    parts = list(_rows_by_value(videos))
    done = []
    for rows in progress(parts, total=len(parts), what="video"):
        frames, boxes, scores, classes = link(
            ground_truth.image_frames[detections.images[rows]],
            detections.boxes[rows],
            detections.scores[rows],
            detections.classes[rows],
        )
        images = images_of_video[first_images[videos[rows[0]]] + frames]
        done.append((images, classes, scores, boxes))
    if not done:
        return detections
    return Detections.ordered(*(np.concatenate(column) for column in zip(*done, strict=True)))


def _rows_by_value(values: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of each value that occurs, in order."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order]))
    if len(values):
        yield from np.split(order, starts + 1)
