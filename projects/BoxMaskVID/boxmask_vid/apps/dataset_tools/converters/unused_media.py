"""Images and video files below a folder that no annotation is of."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ....data.datasets.folders import walk_files
from ....data.datasets.numbered_frames import IMAGE_SUFFIXES, is_hidden
from ....video.image_files import VIDEO_SUFFIXES
from .frames import Frames


def unused_media(root: Path, used: Sequence[Frames]) -> Counter[str]:
    """Count folders, images and video files below a folder that have no annotations."""
    taken = {
        _real(root / file)
        for frames in used
        for file in (*(frames.files or ()), frames.video_file, frames.extracted_from)
        if file is not None
    }
    is_videos = any(frames.first_number is not None for frames in used)
    suffixes = VIDEO_SUFFIXES if is_videos else IMAGE_SUFFIXES
    left_out: Counter[str] = Counter()
    by_folder: dict[Path, set[str]] = defaultdict(set)
    for path in walk_files(root):
        if path.suffix.lower() in suffixes and not is_hidden(path.relative_to(root)):
            by_folder[path.parent].add(_real(path))
    for files in by_folder.values():
        others = files - taken
        if is_videos:
            left_out["video files without annotations"] += len(others)
        elif others and others == files:
            left_out["folders of images without annotations"] += 1
        else:
            left_out["images of other clips"] += len(others)
    return +left_out


@lru_cache(maxsize=100_000)
def _real_folder(folder: Path) -> str:
    return os.path.realpath(folder)


def _real(path: Path) -> str:
    """Path of a file without links to its folder."""
    return os.path.join(_real_folder(path.parent), path.name)
