"""Detections on disk as they come, so that an interrupted evaluation can be continued."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from detectron2.utils import comm

from ..errors import InputError
from .frame_detections import FrameDetections

logger = logging.getLogger(__name__)


class DetectionLog:
    """A file for each run and process in a folder: what made it, then a line for each frame.

    A line that was torn when its process ended is left out.

    Attributes:
        image_ids: frames of earlier runs.
        earlier: their detections, in the main process.
    """

    def __init__(self, folder: Path, made_by: dict[str, object], *, resume: bool) -> None:
        """
        Args:
            folder: where the files are.
            made_by: everything that the detections depend on; equal in all processes.
            resume: continue what earlier runs left; otherwise it is removed.

        Raises:
            InputError: if what is to be continued was made by something else.
        """
        self.earlier: dict[int, FrameDetections] = {}
        run = 0
        if comm.is_main_process():
            folder.mkdir(parents=True, exist_ok=True)
            found = sorted(folder.glob("detections_*_*.jsonl"))
            run = max((int(path.stem.split("_")[1]) for path in found), default=-1) + 1
            for path in found:
                if resume:
                    self.earlier.update((each.image_id, each) for each in _read(path, made_by))
                else:
                    path.unlink()
            if resume:
                logger.info(f"{folder}: {len(self.earlier)} frames are there already.")
        run, self.image_ids = comm.all_gather((run, set(self.earlier)))[0]
        folder.mkdir(parents=True, exist_ok=True)  # of another machine
        self.path = folder / f"detections_{run}_{comm.get_rank()}.jsonl"
        self._file = open(self.path, "w", encoding="utf-8")  # noqa: SIM115
        self._write({"made_by": made_by})

    def append(self, frame: FrameDetections) -> None:
        """Add a frame; it is on disk when this returns."""
        self._write(
            {
                "image_id": frame.image_id,
                "classes": frame.classes.tolist(),
                "scores": frame.scores.tolist(),
                "boxes": frame.boxes.tolist(),
            }
        )

    def close(self) -> None:
        """No frame comes any more."""
        self._file.close()

    def _write(self, line: dict) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _read(path: Path, made_by: dict[str, object]) -> Iterator[FrameDetections]:
    lines = _lines(path)
    header = next(lines, None)
    if header is None:
        return
    check_origin(path, header["made_by"], json.loads(json.dumps(made_by)))
    for line in lines:
        yield FrameDetections(
            line["image_id"],
            np.array(line["classes"], dtype=np.int64),
            np.array(line["scores"], dtype=np.float64),
            np.array(line["boxes"], dtype=np.float64).reshape(-1, 4),
        )


def check_origin(path: Path, written: dict, wanted: dict) -> None:
    """
    Raises:
        InputError: if what a file was made with is not what would continue it.
    """
    for key in sorted(written.keys() | wanted.keys()):
        if written.get(key) != wanted.get(key):
            raise InputError(
                f"{path} was made with {key} {written.get(key)}, now it is {wanted.get(key)}: "
                "leave out --resume to start over, or choose another output."
            )


def _lines(path: Path) -> Iterator[dict]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                logger.warning(f"{path}: the last line is torn and left out.")
                return
            yield json.loads(line)
