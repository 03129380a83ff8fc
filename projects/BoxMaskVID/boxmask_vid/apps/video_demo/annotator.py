"""Detections drawn into videos and written to files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import Metadata
from detectron2.structures import Instances
from detectron2.utils.colormap import colormap
from detectron2.utils.video_visualizer import VideoVisualizer

from ...checkpoint.provenance import model_origin
from ...config import names_of_classes
from ...engine.predictor import VideoPredictor
from ...errors import InputError
from ...evaluation.detection_log import check_origin
from ...files import read_json, write_json
from ...video import FrameSource, VideoWriter, open_frames
from .result_files import (
    CocoFile,
    CsvFile,
    JsonLinesFile,
    frame_record,
    read_json_lines,
    record_instances,
)
from .track_linker import TrackLinker


@dataclass
class Job:
    """An input and its outputs."""

    input: str
    video: Path
    jsonl: Path | None = None
    csv: Path | None = None
    coco: Path | None = None

    def __str__(self) -> str:
        outputs = self.video, self.jsonl, self.csv, self.coco
        return ", ".join(str(each) for each in outputs if each is not None)


class Annotator:
    """What all inputs share: a model and options."""

    def __init__(self, cfg: CfgNode, args: argparse.Namespace) -> None:
        """
        Args:
            cfg: the config, with weights.
            args: as :func:`~boxmask_vid.apps.video_demo.demo.argument_parser` gives them.
        """
        self._args = args
        self._predictor = VideoPredictor(cfg)
        self._class_names = names_of_classes(cfg)
        self._metadata = Metadata(thing_classes=self._class_names)
        self._origin = model_origin(cfg)
        test = cfg.MODEL.VID.TEST
        self._online = args.online or test.REFERENCES == "online"
        # elsewhere a frame depends on the frames before it, or has masks, which are not written
        self._resumable = (
            test.REFERENCES == "adaptive"
            and not self._online
            and not cfg.MODEL.BOXMASK.PREDICT_MASKS
        )

    def annotate(self, job: Job, watch: Callable[..., Iterable]) -> None:
        """Files hold, whenever this ends, what was done until then.

        Args:
            job: what is done.
            watch: shows the progress, called as :func:`~boxmask_vid.progress.progress` is; an
                error that it raises ends the job.

        Raises:
            FileNotFoundError: if the input does not exist.
            InputError: if it cannot be read to its end, or an output cannot be written.
        """
        args = self._args
        source = open_frames(_camera_or_path(job.input))
        if source.length is None and not self._online:
            raise InputError(f"The input {job.input} is read as it comes: add --online.")
        done = self._done(job) if args.resume else []
        if done and not self._resumable:
            print(f"{job.input}: begins anew (online references and masks cannot be continued)")
            done = []
        if done and len(done) == source.length and job.video.exists():
            print(f"{job.input}: is done")
            return
        linker = TrackLinker() if args.tracks else None
        visualizer = VideoVisualizer(self._metadata)
        count = 0
        with ExitStack() as files:
            video = files.enter_context(VideoWriter(job.video, args.fps or source.fps))
            sinks = self._sinks(job, files)
            lines = JsonLinesFile(job.jsonl, keep=done) if job.jsonl else None
            if lines:
                write_json(_made_by_file(job.jsonl), self._made_by(job))
                files.enter_context(lines)
            files.callback(lambda: print(f"{job.input}: {count} frames -> {job}"))
            frames = chain(self._repeated(source, done), self._detected(source, len(done)))
            for frame, image, instances in watch(frames, total=source.length, what="frame"):
                tracks = linker.link(instances) if linker else None
                time = source.time(frame)
                record = frame_record(frame, time, instances, self._class_names, tracks)
                for each in sinks:
                    each.write(record)
                if lines and frame >= len(done):
                    lines.write(record)
                drawn = _drawn(visualizer, image, instances, tracks)
                video.write(drawn)
                count += 1
                if args.show and _window_is_closed(drawn):
                    break

    def _done(self, job: Job) -> list[dict]:
        """Frames that an earlier run has written.

        Raises:
            InputError: if it was of another input, model or option.
        """
        records = read_json_lines(job.jsonl, self._class_names)
        if records:
            made_by = _made_by_file(job.jsonl)
            if not made_by.is_file():
                raise InputError(
                    f"There is no {made_by}, which tells what {job.jsonl} was made with: leave "
                    "--resume out to begin anew."
                )
            check_origin(job.jsonl, read_json(made_by), self._made_by(job))
        return records

    def _made_by(self, job: Job) -> dict[str, str]:
        options = {f"--{name}": repr(getattr(self._args, name)) for name in ("threshold", "tracks")}
        return {**self._origin, **options, "--input": str(Path(job.input).resolve())}

    def _sinks(self, job: Job, files: ExitStack) -> list:
        sinks = []
        if job.csv:
            sinks.append(CsvFile(job.csv))
        if job.coco:
            sinks.append(CocoFile(job.coco, self._class_names))
        return [files.enter_context(each) for each in sinks]

    def _repeated(
        self, source: FrameSource, done: list[dict]
    ) -> Iterator[tuple[int, np.ndarray, Instances]]:
        """Frames that were detected before an interruption."""
        for record, image in zip(done, source, strict=False):
            instances = record_instances(record, image.shape[:2], self._class_names)
            yield record["frame"], image, instances

    def _detected(
        self, source: FrameSource, start: int
    ) -> Iterator[tuple[int, np.ndarray, Instances]]:
        if self._online:
            found = self._predictor.predict_stream(source)
        else:
            found = self._predictor.predict_video(source, start=start)
        for each in found:
            instances = each["instances"].to("cpu")
            good = instances[instances.scores >= self._args.threshold]
            yield each["frame"], each["image"], good


def _made_by_file(jsonl: Path) -> Path:
    return jsonl.with_name(f"{jsonl.name}.made_by")


def _camera_or_path(text: str) -> str | int:
    return int(text) if text.isdigit() and not Path(text).exists() else text


def _drawn(
    visualizer: VideoVisualizer,
    image: np.ndarray,
    instances: Instances,
    tracks: list[int] | None,
) -> np.ndarray:
    """The frame with its detections, BGR; with tracks each one has its colour in all frames."""
    if tracks is not None:
        colors = colormap(rgb=True, maximum=1)
        instances.set("COLOR", [colors[track % len(colors)] for track in tracks])
    if instances.has("pred_masks"):
        instances.pred_masks = instances.pred_masks.numpy()
    frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    drawn = visualizer.draw_instance_predictions(frame, instances).get_image()
    return cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)


WINDOW = "BoxMaskVID"


def _window_is_closed(frame: np.ndarray) -> bool:
    cv2.imshow(WINDOW, frame)
    return cv2.waitKey(1) == ord("q")
