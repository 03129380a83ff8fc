"""Detections drawn into videos and written to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.structures import Instances

from ...checkpoint.provenance import model_provenance
from ...config import names_of_classes
from ...engine.predictor import VideoPredictor
from ...errors import InputError
from ...json_lines import JsonLinesLog, read_json_lines
from ...references import build_reference_policy
from ...video import FrameSource, VideoWriter, open_frames
from ..linking import TrackLinker
from ..result_formats import Export
from .exported_files import ExportedFiles
from .painter import Painter
from .result_files import CocoFile, CsvFile, checked_records, frame_record, record_instances

WINDOW = "BoxMaskVID"
Result = tuple[int, np.ndarray, Instances]  # number of a frame, the frame, its detections


@dataclass(frozen=True)
class AnnotationOptions:
    """Options that all videos share."""

    threshold: float = 0.5  # lowest score of a detection
    online: bool = False  # look at frames of the past only
    tracks: bool = False  # link detections of an object over frames
    fps: float | None = None  # frames per second of the output; None for those of the input
    show: bool = False  # show the frames in a window
    resume: bool = False  # continue from the JSON lines of an interrupted run


@dataclass(frozen=True)
class VideoTask:
    """An input and its outputs."""

    input: str
    video: Path
    jsonl: Path | None = None
    csv: Path | None = None
    coco: Path | None = None
    exports: Sequence[Export] = field(default=(), kw_only=True)

    def __str__(self) -> str:
        paths = self.video, self.jsonl, self.csv, self.coco, *self.exports
        return ", ".join(str(path) for path in paths if path is not None)


class Annotator:
    """A model and options to annotate videos with.

    Raises InputError if the config has no weights, or they are not those of the model.
    """

    def __init__(self, cfg: CfgNode, options: AnnotationOptions) -> None:
        self._options = options
        self._predictor = VideoPredictor(cfg)
        self._class_names = names_of_classes(cfg)
        self._model_provenance = model_provenance(cfg)
        policy = build_reference_policy(cfg)
        self._online = options.online or not policy.needs_whole_video
        # elsewhere a frame depends on the frames before it, or has masks, which are not written
        self._resumable = not (
            self._online or policy.needs_every_frame or cfg.MODEL.BOXMASK.PREDICT_MASKS
        )

    def annotate(self, task: VideoTask, watch: Callable[..., Iterable]) -> None:
        """Annotate a video; whenever this ends, the files hold what was done until then.

        Args:
            task: the video and its outputs.
            watch: shows the progress, called as :func:`~boxmask_vid.progress.progress` is; an
                error that it raises ends the task.

        Raises:
            FileNotFoundError: if the input does not exist.
            InputError: if it cannot be read to its end, or an output cannot be written.
        """
        options = self._options
        is_camera = task.input.isdigit() and not Path(task.input).exists()
        source = open_frames(int(task.input) if is_camera else task.input)
        if source.length is None and not self._online:
            raise InputError(f"The input {task.input} is read as it comes: add --online.")
        done = self._done(task)
        if done and len(done) == source.length and task.video.exists():
            self._export_again(task, source, done)
            print(f"{task.input}: is done")
            return
        linker = TrackLinker() if options.tracks else None
        painter = Painter(self._class_names)
        count = 0
        with ExitStack() as files:
            video = files.enter_context(VideoWriter(task.video, options.fps or source.fps))
            tables: list[CsvFile | CocoFile] = []
            if task.csv:
                tables.append(files.enter_context(CsvFile(task.csv)))
            if task.coco:
                tables.append(files.enter_context(CocoFile(task.coco, self._class_names)))
            exported = files.enter_context(
                ExportedFiles(task.exports, task.input, source, self._class_names)
            )
            lines = None
            if task.jsonl:
                log = JsonLinesLog(task.jsonl, self._provenance(task), keep=len(done))
                lines = files.enter_context(log)
            files.callback(lambda: print(f"{task.input}: {count} frames -> {task}"))
            frames = chain(self._repeated(source, done), self._detected(source, len(done)))
            for frame, image, instances in watch(frames, total=source.length, what="frame"):
                tracks = linker.link(instances) if linker else None
                time = source.time(frame)
                record = frame_record(frame, time, instances, self._class_names, tracks)
                for table in tables:
                    table.append(record)
                exported.append(record, image)
                if lines and frame >= len(done):
                    lines.append(record)
                drawn = painter.draw(image, instances, tracks)
                video.write(drawn)
                count += 1
                if options.show:
                    cv2.imshow(WINDOW, drawn)
                    if cv2.waitKey(1) == ord("q"):
                        break

    def _export_again(self, task: VideoTask, source: FrameSource, done: list[dict]) -> None:
        """Exports of a finished run, which may be others than it had."""
        if task.exports:
            with ExportedFiles(task.exports, task.input, source, self._class_names) as exported:
                for record, image in zip(done, source, strict=True):
                    exported.append(record, image)

    def _done(self, task: VideoTask) -> list[dict]:
        """Records of the frames that an earlier run, of the same input and model, has written."""
        if not self._options.resume or task.jsonl is None:
            return []
        found = read_json_lines(task.jsonl, self._provenance(task))
        records = list(checked_records(found, task.jsonl, self._class_names))
        if records and not self._resumable:
            print(f"{task.input}: starts over (online references and masks cannot be continued)")
            return []
        return records

    def _provenance(self, task: VideoTask) -> dict[str, str]:
        return {
            **self._model_provenance,
            "--threshold": repr(self._options.threshold),
            "--tracks": repr(self._options.tracks),
            "--input": str(Path(task.input).resolve()),
        }

    def _repeated(self, source: FrameSource, done: list[dict]) -> Iterator[Result]:
        """Frames of an interrupted run, with what it detected."""
        for record, image in zip(done, source, strict=False):
            height, width = image.shape[:2]
            instances = record_instances(record, (height, width), self._class_names)
            yield record["frame"], image, instances

    def _detected(self, source: FrameSource, start: int) -> Iterator[Result]:
        if self._online:
            results = self._predictor.predict_stream(source)
        else:
            results = self._predictor.predict_video(source, start=start)
        for result in results:
            instances = result["instances"].to("cpu")
            good = instances[instances.scores >= self._options.threshold]
            yield result["frame"], result["image"], good
