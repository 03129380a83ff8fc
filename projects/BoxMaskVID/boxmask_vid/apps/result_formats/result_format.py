"""Base of the formats of result files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

from ...errors import InputError, writing
from .detections import VideoDetections

# characters that a line of text or XML cannot have
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]")


class ResultFormat:
    """A format: a file of one or several videos, or a folder that has all of them.

    Attributes:
        name: what ``--export`` calls it.
        suffix: suffix of its files; "" if it is always a folder.
        takes_several: whether a file can have several videos.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    takes_several: ClassVar[bool] = False

    def write(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        """Write detections to a file, if ``path`` has the suffix, else into a folder.

        Files are written whole or not at all.

        Raises:
            InputError: if the format cannot hold them, or a file cannot be written.
        """
        if self.is_file(path):
            self.write_file(path, videos)
        else:
            self.write_folder(path, videos)

    def is_file(self, path: Path) -> bool:
        """Whether a path is that of a file."""
        return bool(self.suffix) and path.suffix.lower() == self.suffix

    def write_file(self, path: Path, videos: Sequence[VideoDetections]) -> None:
        """Write one file of all videos; formats with a suffix have it."""
        raise NotImplementedError

    def write_folder(self, folder: Path, videos: Sequence[VideoDetections]) -> None:
        """Write a file for each video, named after it."""
        for video in videos:
            self.write_file(folder / f"{video.name}{self.suffix}", [video])

    def targets(self, path: Path, video_names: Sequence[str]) -> list[Path]:
        """Files or folders that :meth:`write` writes."""
        if self.is_file(path):
            return [path]
        return [path / f"{name}{self.suffix}" for name in video_names]

    def check(
        self,
        path: Path,
        video_names: Sequence[str],
        class_names: Sequence[str],
        *,
        one_by_one: bool = False,
        replace: bool = False,
    ) -> None:
        """Check, before there is anything to write, what :meth:`write` would refuse.

        Args:
            path: a file or a folder.
            video_names: all videos that will be written there.
            class_names: names of the classes.
            one_by_one: whether a video is written without the others, so that they share no file.
            replace: whether files in a folder may be replaced.

        Raises:
            InputError: if they cannot be written there.
        """
        here = f"--export {self.name}={path}"
        is_file = self.is_file(path)
        if path.suffix and not is_file and not path.is_dir():
            what = f"only {self.suffix} is written there, or" if self.suffix else "this is"
            raise InputError(f"{here}: {what} a folder: change the name.")
        if is_file and len(video_names) > 1 and (one_by_one or not self.takes_several):
            raise InputError(f"{here} is one file for {len(video_names)} videos: give a folder.")
        for name in class_names:
            if not name or name != name.strip() or UNWRITABLE.search(name):
                raise InputError(
                    f"{here}: the class name {name!r} is empty, has a line break or a control "
                    "character, or starts or ends with a space: rename the class."
                )
        for name in video_names:
            parts = name.split("/")
            if UNWRITABLE.search(name) or not {"", ".", ".."}.isdisjoint(parts):
                raise InputError(f"{here}: a file cannot be named after video {name!r}: rename it.")
        for target in self.targets(path, video_names):
            if target.exists() and not (is_file or replace):
                raise InputError(f"{here}: {target} exists: remove it, or choose another folder.")
        folder = path.parent if is_file else path
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=folder).close()


def only_video(videos: Sequence[VideoDetections]) -> VideoDetections:
    """The video of a file that cannot have more than one."""
    (video,) = videos
    return video
