"""Videos that were uploaded to the page, until they are deleted."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from ...errors import InputError
from .annotator import Annotator, VideoTask

logger = logging.getLogger(__name__)

MOST_VIDEOS = 8  # on the disk at a time
LONGEST_NAME = 150  # characters
UNPRINTED = {"Cc", "Cs", "Zl", "Zp"}  # categories: control characters, surrogates, line breaks
KEPT = 3600  # seconds; then a result is deleted that no page has released (a browser crashed)


class TooManyVideos(Exception):
    """There is no room for another video now."""


def shown_name(name: str) -> str:
    """Name of a file without folders and control characters, in whatever script."""
    last = re.split(r"[/\\]", name)[-1]
    kept = "".join(letter for letter in last if unicodedata.category(letter) not in UNPRINTED)
    kept = kept.strip(" .")[-LONGEST_NAME:]
    return kept or "video"


def _suffix(name: str) -> str:
    """Suffix of a name, by which FFmpeg tells raw streams from each other."""
    suffix = Path(name).suffix
    return suffix if re.fullmatch(r"\.[A-Za-z0-9]{1,8}", suffix) else ""


class Upload:
    """An uploaded video, its annotation and its results."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = shown_name(name)
        self._path = folder / "upload" / f"video{_suffix(self._name)}"
        self.annotated = folder / "annotated.mp4"  # exists when it is complete
        self.lines = folder / "detections.jsonl"
        self.stem = Path(self._name).stem
        self.finished: float | None = None  # when it was done, on the monotonic clock
        self._sentence = ""
        self._started, self._done = 0.0, 0
        self._total: int | None = None
        self._unwanted = threading.Event()

    def receive(self, content: IO[bytes]) -> None:
        """Write the content of the upload to the disk; raise OSError if there is no room."""
        self._path.parent.mkdir(parents=True)
        with self._path.open("wb") as file:
            shutil.copyfileobj(content, file)

    def annotate(self, annotator: Annotator) -> None:
        """Write the results; the upload is deleted, even after an error."""
        task = VideoTask(str(self._path), self.annotated, jsonl=self.lines)
        try:
            if not self._unwanted.is_set():
                annotator.annotate(task, self._watch)
        except _Unwanted:
            pass
        except (InputError, FileNotFoundError) as error:
            self._sentence = self._without_paths(str(error))
        except Exception:
            logger.exception("%s", self._name)
            self._sentence = "Unexpected error: see the terminal of the page."
        finally:
            shutil.rmtree(self._path.parent, ignore_errors=True)
            self.finished = time.monotonic()
            if self._unwanted.is_set():
                self.delete()

    def progress(self) -> dict:
        """Progress for the page.

        ``done`` and ``total`` frames, ``seconds`` of work, ``finished`` at the end, a ``sentence``
        if something was wrong, ``playable`` if there is a result.
        """
        return {
            "done": self._done,
            "total": self._total,
            "seconds": time.monotonic() - self._started if self._started else 0,
            "finished": self.finished is not None,
            "sentence": self._sentence,
            "playable": self.annotated.exists(),
        }

    def delete(self) -> None:
        """Delete the results, as soon as nothing is written to them."""
        self._unwanted.set()
        if self.finished is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _without_paths(self, sentence: str) -> str:
        """A sentence with the name of the upload in place of paths of this machine."""
        sentence = sentence.replace(str(self._path), self._name)
        return sentence.replace(f"{self._folder}{os.sep}", "")

    def _watch(self, frames: Iterable, *, total: int | None, what: str) -> Iterator:
        self._started, self._total = time.monotonic(), total
        for frame in frames:
            if self._unwanted.is_set():
                raise _Unwanted
            yield frame
            self._done += 1


class _Unwanted(Exception):
    """The page was closed."""


class Uploads:
    """All uploaded videos, below ``folder``; they are annotated one after the other."""

    def __init__(self, annotator: Annotator, folder: Path) -> None:
        self._annotator = annotator
        self._folder = folder
        self._uploads: dict[str, Upload] = {}
        self._worker = ThreadPoolExecutor(max_workers=1)

    def add(self, name: str, content: IO[bytes]) -> str:
        """Take a video file of a name; return the key of the video.

        Raises TooManyVideos if there are ``MOST_VIDEOS``, OSError if there is no room.
        """
        now = time.monotonic()
        for key, upload in list(self._uploads.items()):
            if upload.finished is not None and now - upload.finished > KEPT:
                self.forget(key)
        if len(self._uploads) >= MOST_VIDEOS:
            raise TooManyVideos(f"The limit of {MOST_VIDEOS} videos is reached: try again later.")
        key = secrets.token_urlsafe(16)
        upload = self._uploads[key] = Upload(self._folder / key, name)
        try:
            upload.receive(content)
        except OSError:
            upload.finished = time.monotonic()
            self.forget(key)
            raise
        self._worker.submit(upload.annotate, self._annotator)
        return key

    def get(self, key: str) -> Upload | None:
        """Video of a key, if it has not been deleted."""
        return self._uploads.get(key)

    def forget(self, key: str) -> None:
        """Delete a video and its results; if it is being annotated, that stops."""
        if upload := self._uploads.get(key):
            upload.delete()  # first: an unknown key has no files
            self._uploads.pop(key, None)

    def close(self) -> None:
        """Delete all videos and stop."""
        for key in list(self._uploads):
            self.forget(key)
        self._worker.shutdown()
