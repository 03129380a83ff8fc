"""Videos that have frames of several clips, and files that are listed twice."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from ....data.datasets.vid_columns import VIDColumns
from ....data.video_frame_names import PREFIX
from .report import CheckReport

ROBOFLOW = re.compile(r"(_(jpe?g|png|bmp))?\.rf\.[0-9a-z]+$", re.IGNORECASE)


def check_clips(columns: VIDColumns, report: CheckReport) -> None:
    """Check that the frames of a video come from one clip, as far as their names tell."""
    clips: dict[int, Counter[str]] = defaultdict(Counter)
    uses: Counter[str] = Counter()
    for image, name in zip(columns.records["images"], columns.file_names, strict=True):
        if name is None:
            continue
        uses[name] += 1
        if not name.startswith(PREFIX):
            clips[image["video_id"]][_clip_name(name)] += 1
    for name, count in uses.items():
        if count > 1:
            report.add("files listed twice", f"{name}, {count} times")
    for video, counts in clips.items():
        several = [clip for clip, count in counts.items() if count > 1]
        if len(several) > 1:
            shown = ", ".join(f"{clip}*" for clip in several[:3])
            report.add("videos of several clips", f"video {video}: {shown}")


def _clip_name(file_name: str) -> str:
    """Name of an image file up to the number of the frame."""
    folder, _, name = file_name.replace("\\", "/").rpartition("/")
    stem = ROBOFLOW.sub("", name.rpartition(".")[0] or name)
    return f"{folder}/{stem.rstrip('0123456789')}"
