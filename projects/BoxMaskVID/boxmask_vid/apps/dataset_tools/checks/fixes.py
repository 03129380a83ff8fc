"""Fixes of a COCO-VID JSON that have one possible answer; what has several is left as it is."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from operator import itemgetter

from ....data.datasets.vid_columns import VIDColumns
from ....data.datasets.vid_rules import OVER_THE_EDGE, content_violations
from .report import UNUSABLE, CheckReport
from .sizes import fix_sizes
from .values import NO_TRACK, fix_values, track_field

OUTSIDE = "boxes outside their image"


def fix_content(content: dict, report: CheckReport) -> tuple[dict, list[str]]:
    """Fix faults with one possible answer; classes and repeated ids of images stay.

    Images that are missing are left out, but not all of them. Boxes are left out if they are of
    nothing known, have no area or lie outside an image whose size is known.

    Args:
        content: a COCO-VID JSON that can be checked.
        report: what was found in it.

    Returns:
        a fixed copy, and a sentence for each thing that was done.
    """
    fixed = copy.deepcopy(content)
    counts = fix_values(fixed)
    counts["{} file names written with / for \\"] = _write_slashes(fixed, report.backslashes)
    taken, unsettled = fix_sizes(fixed, report.file_sizes)
    counts["{} sizes of images taken from their files"] = taken
    counts["{} videos that images name added to 'videos'"] = _add_videos(fixed)
    unsettled_ids = {fixed["images"][row]["id"] for row in unsettled}
    counts |= _drop_images(fixed, report.bad_images)
    counts |= _drop_annotations(fixed, unsettled_ids)
    counts["{} frames renumbered, in their order"] = _number_frames(fixed)
    counts["{} boxes clipped to their images"] = _clip_boxes(fixed, unsettled_ids)
    counts["{} tracks renumbered: some ids were used in several videos"] = _number_tracks(fixed)
    counts["{} annotations renumbered: some ids were repeated"] = _number_annotations(fixed)
    return fixed, [sentence.format(count) for sentence, count in counts.items() if count]


def _write_slashes(content: dict, rows: set[int]) -> int:
    videos = {video["id"]: video for video in content["videos"]}
    for row in rows:
        image = content["images"][row]
        record = image if image.get("file_name") is not None else videos[image["video_id"]]
        record["file_name"] = str(record["file_name"]).replace("\\", "/")
    return len(rows)


def _add_videos(content: dict) -> int:
    known = {video["id"] for video in content["videos"]}
    unknown = {image["video_id"] for image in content["images"]} - known
    content["videos"] += [{"id": video, "name": str(video)} for video in sorted(unknown)]
    return len(unknown)


def _drop_images(content: dict, bad: set[int]) -> dict[str, int]:
    images = content["images"]
    if not bad or len(bad) == len(images):
        return {}
    content["images"] = [image for row, image in enumerate(images) if row not in bad]
    lost = {images[row]["id"] for row in bad} - {image["id"] for image in content["images"]}
    annotations = content["annotations"]
    content["annotations"] = [item for item in annotations if item["image_id"] not in lost]
    boxes = len(annotations) - len(content["annotations"])
    return {f"{{}} images that are missing or unreadable removed, with {boxes} boxes": len(bad)}


def _drop_annotations(content: dict, unsettled: set[int]) -> dict[str, int]:
    """Leave out what cannot be loaded; ``unsettled`` are images whose size is not known."""
    annotations, bad = content["annotations"], set()
    reasons: Counter[str] = Counter()
    for violations in content_violations(VIDColumns(content)):
        if violations.rule not in UNUSABLE or violations.sentence is None:
            continue
        for row in map(int, violations.rows):
            is_unsettled = annotations[row]["image_id"] in unsettled
            if row not in bad and not (violations.rule == OUTSIDE and is_unsettled):
                bad.add(row)
                reasons[violations.rule] += 1
    if len(bad) == len(annotations):
        return {}
    content["annotations"] = [item for row, item in enumerate(annotations) if row not in bad]
    why = ", ".join(f"{rule}: {count}" for rule, count in reasons.items())
    return {f"{{}} annotations removed ({why})": len(bad)}


def _number_frames(content: dict) -> int:
    frames = defaultdict(list)
    for image in content["images"]:
        frames[image["video_id"]].append(image)
    names = {video["id"]: video.get("file_name") for video in content["videos"]}
    count = 0
    for video, images in frames.items():
        if names.get(video) is not None and any("file_name" not in image for image in images):
            continue  # there the number says which frame of the file it is
        if len({image["frame_id"] for image in images}) < len(images):
            continue  # which of those with the same number comes first is not known
        images.sort(key=itemgetter("frame_id"))
        for number, image in enumerate(images):
            count += image["frame_id"] != number
            image["frame_id"] = number
    return count


def _clip_boxes(content: dict, unsettled: set[int]) -> int:
    images = {image["id"]: image for image in content["images"]}
    count = 0
    for violations in content_violations(VIDColumns(content)):
        for row in violations.rows if violations.rule == OVER_THE_EDGE else ():
            annotation = content["annotations"][row]
            image = images[annotation["image_id"]]
            if image["id"] in unsettled:
                continue
            x, y, w, h = annotation["bbox"]
            right, bottom = min(x + w, image["width"]), min(y + h, image["height"])
            left, top = max(x, 0), max(y, 0)
            annotation["bbox"] = [left, top, right - left, bottom - top]
            annotation["area"] = (right - left) * (bottom - top)
            count += 1
    return count


def _number_tracks(content: dict) -> int:
    videos = {image["id"]: image["video_id"] for image in content["images"]}
    tracked = []
    for annotation in content["annotations"]:
        field = track_field(annotation)
        if annotation.get(field, NO_TRACK) != NO_TRACK:
            track = videos.get(annotation["image_id"]), annotation[field]
            tracked.append((annotation, field, track))
    tracks = dict.fromkeys(track for _, _, track in tracked)
    if len({name for _, name in tracks}) == len(tracks):
        return 0
    numbers = {track: number for number, track in enumerate(tracks, start=1)}
    for annotation, field, track in tracked:
        annotation[field] = numbers[track]
    return len(numbers)


def _number_annotations(content: dict) -> int:
    annotations = content["annotations"]
    if len({annotation["id"] for annotation in annotations}) == len(annotations):
        return 0
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    return len(annotations)
