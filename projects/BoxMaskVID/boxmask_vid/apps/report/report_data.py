"""Content of a report, computed once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...data.datasets.vid_json import read_vid_json
from ...data.video_frame_names import PREFIX
from ...evaluation.average_precision import precision_at_recalls
from ...evaluation.coco import CocoMatching
from ...evaluation.detection_file import read_detections
from ...evaluation.detections import Detections
from ...evaluation.ground_truth import GroundTruth
from ...evaluation.motion import MOTION_RANGES, motion_iou
from ...evaluation.scores import Scores, score
from .analysis.confidence import Calibration, OperatingPoint, best_operating_point, calibration
from .analysis.delta_ap import DeltaAP, box_groups, delta_ap
from .analysis.errors import Errors, VideoErrors, confusion_matrix, errors_by_video, find_errors
from .analysis.stability import TrackStability, track_stability


@dataclass(frozen=True)
class ReportData:
    """Detections with their ground truth, and results that are computed when they are first used.

    Counts are of detections above the threshold of :attr:`point`; AP is of all detections.
    """

    ground_truth: GroundTruth
    detections: Detections
    file_names: np.ndarray  # (I,) of the images, relative to some root
    names: tuple[str, str]  # of the two files

    @classmethod
    def read(cls, ground_truth_file: str, detections_file: str) -> ReportData:
        """Read both files.

        Raises:
            InputError: if a value in the files is invalid.
            FileNotFoundError: if a file does not exist.
        """
        table = read_vid_json(ground_truth_file)
        truth = GroundTruth.from_table(table)
        return cls(
            truth,
            read_detections(detections_file, truth),
            table.file_names[np.argsort(table.image_ids)],
            (Path(ground_truth_file).name, Path(detections_file).name),
        )

    @property
    def has_tracks(self) -> bool:
        """Whether any box has a track; without tracks, motion and stability are unknown."""
        return bool((self.ground_truth.tracks >= 0).any())

    @property
    def motion_ranges(self) -> tuple[str, ...]:
        """Motion ranges; only "all" without tracks."""
        return tuple(MOTION_RANGES) if self.has_tracks else ("all",)

    @cached_property
    def motion(self) -> np.ndarray:
        """(A,) motion IoU."""
        return motion_iou(self.ground_truth)

    @cached_property
    def scores(self) -> Scores:
        """Scores of all scorers."""
        return score(self.ground_truth, self.detections, motion=self.motion)

    @cached_property
    def errors(self) -> Errors:
        """Errors of all detections."""
        return find_errors(self.ground_truth, self.detections)

    @cached_property
    def point(self) -> OperatingPoint:
        """Operating point with the best F1."""
        return best_operating_point(self.detections, self.errors.matches)

    @cached_property
    def confident(self) -> Detections:
        """Detections above the threshold; none if it is NaN."""
        return self.detections[self.detections.scores >= self.point.threshold]

    @cached_property
    def confident_errors(self) -> Errors:
        """Errors of the detections above the threshold."""
        return find_errors(self.ground_truth, self.confident)

    @cached_property
    def confusion(self) -> np.ndarray:
        """(C + 1, C + 1), see :func:`confusion_matrix`."""
        return confusion_matrix(self.ground_truth, self.confident, self.confident_errors)

    @cached_property
    def groups(self) -> dict[str, dict[str, np.ndarray]]:
        """Groups of boxes, see :func:`box_groups`."""
        return box_groups(self.ground_truth, self.motion)

    @cached_property
    def gains(self) -> dict[tuple[str, str], tuple[int, DeltaAP]]:
        """Number of boxes and dAP of each group; ("", "all objects") is first."""
        truth, single = self.ground_truth, ~self.ground_truth.is_crowd
        parts = {("", "all objects"): np.ones(len(truth), dtype=bool)}
        for title, groups in self.groups.items():
            parts |= {(title, name): group for name, group in groups.items()}
        return {
            key: (int(group[single].sum()), delta_ap(truth, self.detections, self.errors, group))
            for key, group in parts.items()
        }

    @cached_property
    def stability(self) -> TrackStability:
        """Stability of detections above the threshold."""
        return track_stability(self.ground_truth, self.confident, self.confident_errors.matches)

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration of all detections."""
        return calibration(self.detections, self.errors.matches)

    @cached_property
    def videos(self) -> VideoErrors:
        """Errors of detections above the threshold."""
        return errors_by_video(self.ground_truth, self.confident, self.confident_errors)

    @cached_property
    def curves(self) -> dict[str, np.ndarray]:
        """(C, 101) precision over recall at IoU 0.5 in each motion range, by COCO's rules."""
        matching = CocoMatching(self.ground_truth, self.detections)
        result = {}
        for name in self.motion_ranges:
            (matches,) = matching.motion(self.motion, name, [0.5])
            result[name] = precision_at_recalls(matches, self.detections, self.ground_truth)
        return result

    def video_name(self, video: int) -> str:
        """Folder of the frames of a video, its file, or its id."""
        images = np.flatnonzero(self.ground_truth.image_videos == video)
        name = self.file_names[images[0]]
        if name.startswith(PREFIX):
            return name.removeprefix(PREFIX).rpartition("#")[0]
        folder = os.path.dirname(name)
        return folder or f"video {self.ground_truth.video_ids[video]}"
