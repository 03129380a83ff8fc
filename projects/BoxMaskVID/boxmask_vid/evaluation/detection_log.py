"""Detections on disk as they come, so that an interrupted evaluation can be continued."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from detectron2.utils import comm

from ..json_lines import JsonLinesLog, read_json_lines
from .frame_detections import FrameDetections

logger = logging.getLogger(__name__)


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
            for path in found if resume else ():
                self.earlier.update((frame.image_id, frame) for frame in _read(path, provenance))
            if resume:
                logger.info(f"{folder}: {len(self.earlier)} frames are there already.")
            else:
                for path in folder.glob("detections_*_*.jsonl*"):  # and of their provenance
                    path.unlink()
        run, self.image_ids = comm.all_gather((run, set(self.earlier)))[0]
        self.path = folder / f"detections_{run}_{comm.get_rank()}.jsonl"
        self._log = JsonLinesLog(self.path, provenance)

    def append(self, frame: FrameDetections) -> None:
        """Add a frame; it is on disk when this returns."""
        self._log.append(
            {
                "image_id": frame.image_id,
                "classes": frame.classes.tolist(),
                "scores": frame.scores.tolist(),
                "boxes": frame.boxes.tolist(),
            }
        )

    def close(self) -> None:
        """Close the log of this run."""
        self._log.close()


def _read(path: Path, provenance: Mapping[str, object]) -> Iterator[FrameDetections]:
    for record in read_json_lines(path, provenance):
        yield FrameDetections(
            record["image_id"],
            np.array(record["classes"], dtype=np.int64),
            np.array(record["scores"], dtype=np.float64),
            np.array(record["boxes"], dtype=np.float64).reshape(-1, 4),
        )
