"""Detections of frames, between the model and the scorers, in memory and in a log on disk.

With the log, an interrupted evaluation can be continued.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from detectron2.structures import BoxMode, Instances
from detectron2.utils import comm

from ..errors import InputError
from ..json_lines import JsonLinesLog, read_json_lines
from .detections import Detections
from .ground_truth import GroundTruth

logger = logging.getLogger(__name__)


class FrameDetections(NamedTuple):
    """N detections."""

    image_id: int
    classes: np.ndarray  # (N,) int64, from 0
    scores: np.ndarray  # (N,) float64
    boxes: np.ndarray  # (N, 4) float64: x, y, width, height in pixels

    @classmethod
    def of(cls, image_id: int, instances: Instances) -> FrameDetections:
        """Detections from the output of a model."""
        instances = instances.to("cpu")
        boxes = instances.pred_boxes.tensor.detach()
        boxes = BoxMode.convert(boxes, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
        return cls(
            image_id,
            instances.pred_classes.numpy(),
            instances.scores.detach().double().numpy(),
            boxes.double().numpy(),
        )

    @classmethod
    def from_record(cls, record: Mapping) -> FrameDetections:
        """Detections from a line of a log."""
        return cls(
            int(record["image_id"]),
            np.array(record["classes"], dtype=np.int64),
            np.array(record["scores"], dtype=np.float64),
            np.array(record["boxes"], dtype=np.float64).reshape(-1, 4),
        )


class DetectionLog:
    """Log of JSON lines, one a frame, for each run and process in a folder.

    Attributes:
        image_ids: frames of earlier runs.
        earlier: their detections, in the main process.
        path: the log of this run and process.
    """

    def __init__(self, folder: Path, provenance: Mapping[str, object], *, resume: bool) -> None:
        """
        Args:
            folder: where the logs are.
            provenance: everything that the detections depend on; equal in all processes.
            resume: continue what earlier runs left; otherwise it is removed.

        Raises:
            InputError: if what is to be continued has another provenance, or the log cannot be
                written.
        """
        self.earlier: dict[int, FrameDetections] = {}
        run = 0
        if comm.is_main_process():
            found = sorted(folder.glob("detections_*_*.jsonl"))
            run = max((int(path.stem.split("_")[1]) for path in found), default=-1) + 1
            if resume:
                for path in found:
                    for number, record in enumerate(read_json_lines(path, provenance), 1):
                        try:
                            frame = FrameDetections.from_record(record)
                        except (KeyError, TypeError, ValueError, OverflowError) as error:
                            raise InputError(
                                f"{path}, line {number}: this is not a frame of detections; leave "
                                "out --resume to start over."
                            ) from error
                        self.earlier[frame.image_id] = frame
                logger.info(f"{folder}: {len(self.earlier)} frames are there already.")
            else:
                for path in folder.glob("detections_*_*.jsonl*"):  # and of their provenance
                    path.unlink()
        run, self.image_ids = comm.all_gather((run, set(self.earlier)))[0]
        self.path = folder / f"detections_{run}_{comm.get_rank()}.jsonl"
        self._log = JsonLinesLog(self.path, provenance)

    def append(self, frame: FrameDetections) -> None:
        """Add a frame; it is on disk when this returns."""
        record = frame._asdict().items()
        self._log.append({name: np.asarray(value).tolist() for name, value in record})

    def close(self) -> None:
        """Close the log of this run."""
        self._log.close()


def joined(frames: Iterable[FrameDetections]) -> tuple[np.ndarray, ...]:
    """Image ids (F,), numbers of detections (F,), classes (D,), scores (D,) and boxes (D, 4)."""
    frames = list(frames)
    return (
        np.array([frame.image_id for frame in frames], dtype=np.int64),
        np.array([len(frame.scores) for frame in frames], dtype=np.int64),
        np.concatenate([np.zeros(0, np.int64), *(frame.classes for frame in frames)]),
        np.concatenate([np.zeros(0), *(frame.scores for frame in frames)]),
        np.concatenate([np.zeros((0, 4)), *(frame.boxes for frame in frames)]),
    )


def ordered_detections(
    parts: Sequence[tuple[np.ndarray, ...]], ground_truth: GroundTruth
) -> Detections:
    """Detections from :func:`joined` of several processes, however the frames were divided."""
    image_ids, counts, classes, scores, boxes = map(np.concatenate, zip(*parts, strict=True))
    images = np.repeat(np.searchsorted(ground_truth.image_ids, image_ids), counts)
    return Detections.ordered(images, classes, scores, boxes)
