"""What the tables need of a command, in a small file.

A record stands for its command in another session, where detections and checkpoints are gone.
"""

from __future__ import annotations

import base64
import math
import re
import statistics
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog

from ...data.datasets.vid_json import read_vid_json
from ...evaluation.detection_file import read_detections
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.motion import MOTION_RANGES
from ...evaluation.scores import Metric, score_images
from ...evaluation.vid_evaluator import RESULTS_FILE
from ..training_plot import read_metrics
from .runs import Run

AP50 = "AP50"
METRICS = {name: Metric("coco", "all", name) for name in (AP50, "AP", "AP75")} | {
    f"AP50 {motion}": Metric("coco", motion, AP50) for motion in MOTION_RANGES if motion != "all"
}
_STEPS = 1e4  # of AP from 0 to 1, in which draws are kept
_TEST_SECONDS = re.compile(r"Total inference pure compute time: .*\((\S+) s / iter")
_GPU_MEMORY = re.compile(r"max_mem: (\d+)M")


def record_of_test(run: Run, annotations: Mapping[str, Path]) -> dict:
    """Scores of a test that has finished.

    Args:
        run: the test.
        annotations: JSON files by the name of the data set, where they are not built in.

    Returns:
        ``seconds_per_frame``, ``peak_gib``, and in ``scores`` for each data set of the test the
        metrics in percent by name, None where undefined, and ``draws``, see :func:`draws_of`.
    """
    folders = sorted((run.folder / "inference").iterdir())
    return {
        "seconds_per_frame": _seconds_per_frame(run),
        "peak_gib": _peak_gib(run),
        "scores": {
            folder.name: _scores(folder / RESULTS_FILE, annotations.get(folder.name))
            for folder in folders
            if (folder / RESULTS_FILE).is_file()
        },
    }


def record_of_training(run: Run) -> dict:
    """Time, memory and course of a training that has finished.

    Returns:
        ``seconds``, ``peak_gib``, and in ``curve`` pairs of iteration and value by name.
    """
    rows = read_metrics(run.folder / "metrics.json")
    return {
        "seconds": _training_seconds(rows),
        "peak_gib": _peak_gib(run),
        "curve": {
            key: [[row["iteration"], row[key]] for row in rows if key in row]
            for key in ("loss_cls", "bbox/AP50")
        },
    }


def draws_of(score: dict) -> np.ndarray:
    """AP50 in percent, in each draw of videos, from a data set's entry of a record."""
    kept = np.frombuffer(zlib.decompress(base64.b64decode(score["draws"])), np.dtype("<i2"))
    return np.where(kept < 0, np.nan, kept / _STEPS * 100)


def _scores(detections: Path, annotations: Path | None) -> dict:
    json_file = str(annotations or MetadataCatalog.get(detections.parent.name).json_file)
    truth, table = GroundTruth.read(json_file), read_vid_json(json_file)
    key_frames = table.image_ids[table.is_key_frame]
    read = key_frames if len(key_frames) else table.image_ids
    found = score_images(truth, read_detections(detections, truth), read, scorers=("coco",))
    means = {name: 100 * found.mean(metric) for name, metric in METRICS.items()}
    known = {name: None if math.isnan(mean) else mean for name, mean in means.items()}
    draws = np.nan_to_num(found.draws[METRICS[AP50]] * _STEPS, nan=-1).round().astype("<i2")
    packed = base64.b64encode(zlib.compress(draws.tobytes(), 9)).decode()
    return {**known, "draws": packed}


def _seconds_per_frame(run: Run) -> float | None:
    """Time of the model alone, as Detectron2 logs it; the shortest of a test's data sets.

    On a machine that others use, too, the shortest time is the nearest to the true one.
    """
    found = map(float, _TEST_SECONDS.findall((run.folder / "log.txt").read_text()))
    # 0 where a test that had finished was given again
    return min((seconds for seconds in found if seconds > 0), default=None)


def _training_seconds(rows: list[dict]) -> float | None:
    """Time of all iterations, from the median; None where there were too few for Detectron2."""
    timed = [row for row in rows if "time" in row]
    if not timed:
        return None
    last = max(row["iteration"] for row in timed)
    return statistics.median(row["time"] for row in timed) * (last + 1)


def _peak_gib(run: Run) -> float:
    """Memory of the GPU if there was one, else of the largest process."""
    found = _GPU_MEMORY.findall((run.folder / "log.txt").read_text())
    return max(map(int, found)) / 1024 if found else run.cost()["peak_gib"]
