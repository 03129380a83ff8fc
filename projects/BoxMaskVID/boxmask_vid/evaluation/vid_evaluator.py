"""Evaluator of detections in videos."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm

from .detection_file import read_detections, write_detections
from .detection_log import DetectionLog, FrameDetections, joined, ordered_detections
from .detections import Detections
from .ground_truth import GroundTruth
from .scores import DRAWS, SCORERS, Metric, Scores, check_scorers, score, score_images
from .tables import class_table, headline_table

logger = logging.getLogger(__name__)

RESULTS_FILE = "coco_instances_results.json"
TASKS = {"coco": "bbox", "ilsvrc": "ilsvrc", "mega": "mega"}


class VIDEvaluator(DatasetEvaluator):
    """Scores boxes, in the frames that were read, as three groups of papers do.

    ``evaluate()`` returns a dict with an entry for each scorer: ``bbox`` (COCO's), ``ilsvrc`` and
    ``mega``. Each has, in percent, NaN without ground truth:

    - ``AP50`` and ``AP50-<class>``; ``bbox/AP50`` is the headline on ImageNet VID;
    - ``AP50_slow``, ``AP50_medium``, ``AP50_fast`` and ``AP50_slow-<class>`` and so on, of objects
      by their motion;
    - in ``bbox`` also ``AP`` and ``AP75`` in place of ``AP50`` in all of these, and ``APs``,
      ``APm``, ``APl`` (by area);
    - with draws, ``<metric>_low`` and ``<metric>_high``, the 95 % interval of a bootstrap over
      videos, for the means over classes of AP50, and of COCO's AP and AP75 of all objects.
    """

    def __init__(
        self,
        dataset_name: str,
        output_dir: str | None = None,
        *,
        scorers: Sequence[str] = SCORERS,
        draws: int = DRAWS,
        log: DetectionLog | None = None,
    ) -> None:
        """
        Args:
            dataset_name: a registered data set of videos.
            output_dir: folder for ``coco_instances_results.json``; None: it is not written.
            scorers: one or more of "coco", "ilsvrc", "mega".
            draws: number of draws of videos, for intervals; 0 for no intervals.
            log: log that detections are appended to; frames that it has already count as read.

        Raises:
            InputError: if a scorer is unknown, or ``draws`` is negative.
        """
        check_scorers(scorers, draws)
        self._ground_truth = GroundTruth.read(MetadataCatalog.get(dataset_name).json_file)
        self._output_dir = output_dir
        self._scorers = scorers
        self._draws = draws
        self._log = log
        self.reset()

    def metric_names(self) -> list[str]:
        """Names of what :meth:`evaluate` computes, like "bbox/AP50"; no model is run."""
        an_image, _ = self._ground_truth.of_images(self._ground_truth.image_ids[:1])
        nothing = Detections.from_coco([], an_image)
        scores = score(an_image, nothing, scorers=self._scorers, draws=min(self._draws, 1))
        return list(flatten_results_dict(results(scores)))

    def read(self, path: str) -> Detections:
        """Read a file of detections, see :func:`read_detections`."""
        return read_detections(path, self._ground_truth)

    def reset(self) -> None:
        self._frames: list[FrameDetections] = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for frame, output in zip(inputs, outputs, strict=True):
            self._frames.append(FrameDetections.of(frame["image_id"], output["instances"]))
            if self._log is not None:
                self._log.append(self._frames[-1])

    def evaluate(self) -> dict[str, dict[str, float]]:
        if self._log is not None:
            self._log.close()
        parts = comm.gather(joined(self._frames))
        if not comm.is_main_process():
            return {}
        if self._log is not None:
            again = {image_id for image_ids, *_ in parts for image_id in image_ids.tolist()}
            earlier = (frame for key, frame in self._log.earlier.items() if key not in again)
            parts.append(joined(earlier))
        read = np.concatenate([image_ids for image_ids, *_ in parts])
        if not len(read):
            logger.warning("No frame was read: there is nothing to score.")
            return {}
        truth = self._ground_truth
        detections = ordered_detections(parts, truth)
        if self._output_dir is not None:
            path = Path(self._output_dir, RESULTS_FILE)
            write_detections(path, detections, truth)
            logger.info(f"Wrote {path}")
        return self.score(detections, read)

    def score(self, detections: Detections, image_ids: np.ndarray) -> dict[str, dict[str, float]]:
        """Result of :meth:`evaluate` for detections from elsewhere, in some of the frames."""
        scores = score_images(
            self._ground_truth, detections, image_ids, scorers=self._scorers, draws=self._draws
        )
        logger.info(f"{headline_table(scores)}\n\n{class_table(scores)}")
        return results(scores)


def results(scores: Scores) -> dict[str, dict[str, float]]:
    """Scores in percent, with the keys that :class:`VIDEvaluator` describes."""
    named: dict[str, dict[str, float]] = OrderedDict()
    metrics = sorted(scores.per_class, key=lambda metric: metric.motion != "all")
    for metric in metrics:
        of_task = named.setdefault(TASKS[metric.scorer], {})
        of_task[_key(metric)] = 100 * scores.mean(metric)
    for metric in metrics:
        of_task = named[TASKS[metric.scorer]]
        if metric in scores.draws:
            for end, value in zip(("low", "high"), scores.interval(metric), strict=True):
                of_task[f"{_key(metric)}_{end}"] = 100 * value
        for name, value in zip(scores.class_names, scores.per_class[metric], strict=True):
            of_task[f"{_key(metric)}-{name}"] = 100 * float(value)
    return named


def _key(metric: Metric) -> str:
    return metric.name if metric.motion == "all" else f"{metric.name}_{metric.motion}"
