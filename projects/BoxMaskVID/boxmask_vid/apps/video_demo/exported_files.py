"""Detections of a video in the formats of other tools, written when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np

from ...errors import InputError
from ...video import FrameSource
from ..result_formats import DetectionRecorder, Export, write_exports


class ExportedFiles:
    """Exports of a video: at the end, also after an error, what has been appended is written.

    Raises InputError at the end if one of them cannot be written; after an error it is printed.
    """

    def __init__(
        self,
        exports: Sequence[Export],
        path: str,
        source: FrameSource,
        class_names: Sequence[str],
    ) -> None:
        """The video is given by its path and the open source of its frames."""
        self._exports = exports
        self._recorder = DetectionRecorder(path, source, class_names) if exports else None

    def append(self, record: dict, image: np.ndarray) -> None:
        """Add the record of a frame and its image, (H, W, 3)."""
        if self._recorder:
            height, width = image.shape[:2]
            self._recorder.append(record, (width, height))

    def __enter__(self) -> ExportedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._recorder is None:
            return
        try:
            write_exports(self._exports, [self._recorder.detections()])
        except InputError as failure:
            if error is None:
                raise
            print(failure)
