"""Videos that came through the page, until they are deleted."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from werkzeug.utils import secure_filename

from ...errors import InputError
from .annotator import Annotator, Job

logger = logging.getLogger(__name__)

MOST_VIDEOS = 8  # on the disk at a time
KEPT = 3600  # seconds, of a result that no page has let go (a browser that crashed)


class TooManyVideos(Exception):
    """There is no place for another video now."""


class Upload:
    """A video and what becomes of it.

    Attributes:
        annotated: the annotated video, there after the first frames.
        lines: its detections as JSON lines.
        stem: the name of the upload, without its suffix.
        finished: when it was done, in seconds of the monotonic clock; None before.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / "upload" / (secure_filename(name) or "video")
        self.annotated, self.lines = folder / "annotated.mp4", folder / "detections.jsonl"
        self.stem = self._path.stem
        self.finished: float | None = None
        self._sentence = ""
        self._started, self._done, self._total = 0.0, 0, None
        self._unwanted = threading.Event()

    def receive(self, content: BinaryIO) -> None:
        """
        Raises:
            OSError: if there is no room.
        """
        self._path.parent.mkdir(parents=True)
        with self._path.open("wb") as file:
            shutil.copyfileobj(content, file)

    def annotate(self, annotator: Annotator) -> None:
        """Write the results; the upload is deleted, whatever comes out."""
        job = Job(str(self._path), self.annotated, jsonl=self.lines)
        try:
            if not self._unwanted.is_set():
                annotator.annotate(job, self._watch)
        except _Unwanted:
            pass
        except (InputError, FileNotFoundError) as error:
            self._sentence = str(error).replace(f"{self._path.parent}/", "")
        except Exception:
            logger.exception("%s", self._path.name)
            self._sentence = "This should not happen; the terminal of the page says more."
        finally:
            shutil.rmtree(self._path.parent, ignore_errors=True)
            self.finished = time.monotonic()
            if self._unwanted.is_set():
                self.delete()

    def progress(self) -> dict:
        """``done`` and ``total`` frames, ``seconds`` of work, and at the end ``finished``, with a
        ``sentence`` if something was wrong; ``playable`` if there is a result.
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
        """Delete the results, once nobody writes them any more."""
        self._unwanted.set()
        if self.finished is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, frames: Iterable, *, total: int | None, what: str) -> Iterator:
        self._started, self._total = time.monotonic(), total
        for each in frames:
            if self._unwanted.is_set():
                raise _Unwanted
            yield each
            self._done += 1


class _Unwanted(Exception):
    """The page was closed."""


class Uploads:
    """All videos in hand; they are annotated one after the other."""

    def __init__(self, annotator: Annotator, folder: Path) -> None:
        """
        Args:
            annotator: of all videos.
            folder: all files are below it.
        """
        self._annotator = annotator
        self._folder = folder
        self._uploads: dict[str, Upload] = {}
        self._worker = ThreadPoolExecutor(max_workers=1)

    def add(self, name: str, content: BinaryIO) -> str:
        """Take a video.

        Args:
            name: of the file.
            content: of the file.

        Returns:
            under which it is known here.

        Raises:
            TooManyVideos: if there are ``MOST_VIDEOS``.
            OSError: if there is no room.
        """
        self._forget_old()
        if len(self._uploads) >= MOST_VIDEOS:
            raise TooManyVideos(f"{MOST_VIDEOS} videos are in hand: come back later.")
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
        """The video of a key, if it has not been forgotten."""
        return self._uploads.get(key)

    def forget(self, key: str) -> None:
        """Delete a video and its results; if it is in work, that ends."""
        upload = self._uploads.get(key)
        if upload is not None:
            upload.delete()
            self._uploads.pop(key, None)

    def close(self) -> None:
        """Forget all of them."""
        for key in list(self._uploads):
            self.forget(key)
        self._worker.shutdown()

    def _forget_old(self) -> None:
        now = time.monotonic()
        for key, upload in list(self._uploads.items()):
            if upload.finished is not None and now - upload.finished > KEPT:
                self.forget(key)
