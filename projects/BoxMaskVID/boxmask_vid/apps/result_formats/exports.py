"""Exports that a user asks for: ``--export FORMAT=PATH``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...checkpoint.zoo import suggestion
from ...errors import InputError
from .cvat_video import CVATVideo
from .detections import VideoDetections
from .label_studio import LabelStudio
from .mot_challenge import MOTChallenge
from .result_format import ResultFormat
from .yolo import YOLO
from .youtube_vis import YouTubeVIS, YouTubeVISResults

FORMATS: dict[str, ResultFormat] = {
    result_format.name: result_format
    for result_format in (
        CVATVideo(),
        MOTChallenge(),
        YOLO(),
        YouTubeVIS(),
        YouTubeVISResults(),
        LabelStudio(),
    )
}
EXPORT_HELP = f"write detections for other tools; FORMAT is one of {', '.join(FORMATS)}"


@dataclass(frozen=True)
class Export:
    """A format and the file or folder to write."""

    format: ResultFormat
    path: Path

    def __str__(self) -> str:
        return str(self.path)


def parse_exports(texts: Sequence[str]) -> tuple[Export, ...]:
    """Read ``FORMAT=PATH`` of each export.

    Raises:
        InputError: if a text has another form, a format is unknown, or a path is given twice.
    """
    exports = []
    for text in texts:
        name, _, path = text.partition("=")
        if not path:
            raise InputError(f"--export {text}: write it as FORMAT=PATH, such as cvat=out.xml.")
        if name not in FORMATS:
            raise InputError(
                f"--export {text}: there is no format '{name}': {suggestion(name, FORMATS)}"
            )
        exports.append(Export(FORMATS[name], Path(path)))
    paths = [export.path.resolve() for export in exports]
    if repeated := next((path for path in paths if paths.count(path) > 1), None):
        raise InputError(f"--export writes to {repeated} twice: give each format its own place.")
    return tuple(exports)


def write_exports(exports: Sequence[Export], videos: Sequence[VideoDetections]) -> None:
    """Write detections in all formats; one that fails does not stop the others.

    Raises:
        InputError: if a format cannot hold them, or a file cannot be written.
    """
    failures = []
    for export in exports:
        try:
            export.format.write(export.path, videos)
        except InputError as error:
            failures.append(str(error))
    if failures:
        raise InputError(" ".join(failures))
