"""Detections drawn into videos and written to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.structures import Instances

from ...checkpoint.provenance import digest_of_input, model_provenance
from ...config import names_of_classes
from ...engine.predictor import VideoPredictor
from ...errors import InputError, shortened
from ...json_lines import JsonLinesLog, read_json_lines
from ...references import build_reference_policy
from ...video import (
    Frame,
    FrameSource,
    VideoWriter,
    comes_live,
    local_path,
    open_frames,
    without_password,
)
from ..linking import TrackLinker
from ..result_formats import Export
from .annotated_video import AnnotatedVideo
from .exported_files import ExportedFiles
from .painter import Painter
from .result_files import CocoFile, CsvFile, checked_records, frame_record, record_instances

Result = tuple[Frame, Instances]  # a frame and its detections


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

    @property
    def shown(self) -> str:
        """The input as messages and files name it."""
        return without_password(self.input)

    @property
    def outputs(self) -> list[Path]:
        """All files that are written, but for those of exports."""
        paths = self.video, self.jsonl, self.csv, self.coco
        return [path for path in paths if path is not None]

    def __str__(self) -> str:
        return ", ".join(map(str, [*self.outputs, *self.exports]))


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
        self._check_recording(task)
        source = open_frames(task.input, fps=options.fps)
        if source.length is None and not self._online:
            source.close()
            raise InputError(f"The input {task.shown} is read as it comes: add --online.")
        done = self._done(task, source)
        if done and len(done) == source.length and task.video.exists():
            self._export_again(task, source, done)
            print(f"{task.shown}: is done")
            if source.fault:
                raise InputError(source.fault)
            return
        start = done[-1]["frame"] + 1 if done else 0
        linker = TrackLinker() if options.tracks else None
        count = found = 0
        with ExitStack() as files:
            video = files.enter_context(self._annotated_video(task, source))
            tables: list[CsvFile | CocoFile] = []
            if task.csv:
                tables.append(files.enter_context(CsvFile(task.csv)))
            if task.coco:
                tables.append(files.enter_context(CocoFile(task.coco, self._class_names)))
            exported = files.enter_context(
                ExportedFiles(task.exports, task.shown, source, self._class_names)
            )
            lines = None
            if task.jsonl:
                log = JsonLinesLog(task.jsonl, self._provenance(task, source), keep=len(done))
                lines = files.enter_context(log)
            files.callback(lambda: print(self._summary(task, count, found)))
            files.callback(lambda: _say_dropped(task, source))
            frames = chain(self._repeated(source, done), self._detected(source, start))
            for (frame, time, image), instances in watch(frames, total=source.length, what="frame"):
                tracks = linker.link(instances) if linker else None
                record = frame_record(frame, time, instances, self._class_names, tracks)
                for table in tables:
                    table.append(record)
                exported.append(record, image)
                if lines and frame >= start:
                    lines.append(record)
                goes_on = video.append(Frame(frame, time, image), instances, tracks)
                count, found = count + 1, found + len(instances)
                if not goes_on:
                    break

    def _summary(self, task: VideoTask, frames: int, found: int) -> str:
        """A line about a video that is done; ``found`` is the number of detections."""
        summary = f"{task.shown}: {frames} frames, {found} detections -> {task}"
        if found or not frames:
            return summary
        classes = ", ".join(self._class_names)
        return (
            f"{summary}\nno score reached --threshold {self._options.threshold}; "
            f"this model looks for {shortened(classes, 200)}"
        )

    def _check_recording(self, task: VideoTask) -> None:
        """Raise InputError where --resume would replace what came from a camera or an address."""
        recorded = [path for path in task.outputs if path.is_file() and path.stat().st_size]
        if self._options.resume and recorded and comes_live(task.input):
            raise InputError(
                f"{recorded[0]} has what came from {task.shown} before, and --resume cannot go on "
                "there: choose another output, or leave out --resume to replace it."
            )

    def _annotated_video(self, task: VideoTask, source: FrameSource) -> AnnotatedVideo:
        fps = self._options.fps
        writer = VideoWriter(
            task.video,
            fps or source.fps,
            is_constant=bool(fps) or source.is_constant,
            pixel_aspect=source.pixel_aspect,
        )
        has_others = len(task.outputs) + len(task.exports) > 1
        return AnnotatedVideo(
            writer, Painter(self._class_names), fps=fps, show=self._options.show, may_end=has_others
        )

    def _export_again(self, task: VideoTask, source: FrameSource, done: list[dict]) -> None:
        """Exports of a finished run, which may be others than it had."""
        if task.exports:
            with ExportedFiles(task.exports, task.shown, source, self._class_names) as exported:
                for record, image in zip(done, source, strict=True):
                    exported.append(record, image)

    def _done(self, task: VideoTask, source: FrameSource) -> list[dict]:
        """Records of the frames that an earlier run, of the same input and model, has written."""
        if not self._options.resume or task.jsonl is None:
            return []
        found = read_json_lines(task.jsonl, self._provenance(task, source))
        records = list(checked_records(found, task.jsonl, self._class_names))
        if records and not self._resumable:
            print(f"{task.shown}: starts over (online references and masks cannot be continued)")
            return []
        return records

    def _provenance(self, task: VideoTask, source: FrameSource) -> dict[str, str]:
        fps = self._options.fps
        path = local_path(task.input)
        return {
            **self._model_provenance,
            "--threshold": repr(self._options.threshold),
            "--tracks": repr(self._options.tracks),
            "--online": repr(self._online),
            "--input": task.shown if path is None else str(path.resolve()),
            **({"input (sha256)": digest_of_input(source.paths)} if source.paths else {}),
            **({"--fps": repr(fps)} if fps and not source.has_clock else {}),  # of all times
        }

    def _repeated(self, source: FrameSource, done: list[dict]) -> Iterator[Result]:
        """Frames of an interrupted run, with what it detected."""
        records = {record["frame"]: record for record in done}
        for frame in source.frames() if records else ():
            record = records.pop(frame.number, None)
            if record is not None:
                height, width = frame.image.shape[:2]
                yield frame, record_instances(record, (height, width), self._class_names)
            if not records:
                break

    def _detected(self, source: FrameSource, start: int) -> Iterator[Result]:
        if self._online:
            results = self._predictor.predict_stream(source)
        else:
            results = self._predictor.predict_video(source, start=start)
        for result in results:
            instances = result["instances"].to("cpu")
            good = instances[instances.scores >= self._options.threshold]
            yield Frame(result["frame"], result["time"], result["image"]), good


def _say_dropped(task: VideoTask, source: FrameSource) -> None:
    if source.dropped:
        print(
            f"{task.shown}: {source.dropped} more frames came than the model was fast enough for; "
            "they are left out"
        )
