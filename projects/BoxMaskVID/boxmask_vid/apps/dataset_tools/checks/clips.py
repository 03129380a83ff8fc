"""Videos that have frames of several clips, and files that are listed twice."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict

from ....data.datasets.numbered_frames import Clip, split_clips
from ....data.datasets.vid_columns import VIDColumns
from ....data.video_frame_names import PREFIX
from .report import CheckReport


def check_clips(columns: VIDColumns, report: CheckReport) -> None:
    """Check that the frames of a video come from one clip, in order, as far as their names tell."""
    files: dict[int, list[tuple[int, str]]] = defaultdict(list)
    uses: Counter[str] = Counter()
    for image, name in zip(columns.records["images"], columns.file_names, strict=True):
        if name is None:
            continue
        if not name.startswith(PREFIX):
            name = posixpath.normpath(name.replace("\\", "/"))
            files[image["video_id"]].append((image["frame_id"], name))
        uses[name] += 1
    for name, count in uses.items():
        if count > 1:
            report.add("files listed twice", f"{name}, {count} times")
    for video, frames in files.items():
        names = list(dict.fromkeys(name for _, name in sorted(frames)))
        clips = split_clips(names)
        if 1 < len(clips) < len(names):  # names that differ in all their parts tell nothing
            shown = ", ".join(f"{clip.name}*" for clip in clips[:3])
            report.add("videos of several clips", f"video {video}: {shown}")
        elif len(clips) == 1 and _is_ordered(clips[0]) and names != list(clips[0].files):
            pairs = zip(names, clips[0].files, strict=True)
            place, (here, wanted) = next(
                (place, pair) for place, pair in enumerate(pairs) if pair[0] != pair[1]
            )
            report.add(
                "frames in another order than their numbers",
                f"video {video}: frame {place} is {here}, by the numbers it is {wanted}",
            )


def _is_ordered(clip: Clip) -> bool:
    """Whether the names of its pictures tell their order."""
    return clip.numbers is not None or clip.is_timed
