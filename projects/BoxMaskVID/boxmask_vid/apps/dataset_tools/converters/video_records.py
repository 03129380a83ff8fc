"""Records of a video: annotations put together with the frames that were found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from ....data.datasets.numbered_frames import SWAPPED_SIDES
from ....errors import InputError
from .coco_vid import CocoVidBuilder
from .frames import Frames
from .labels import LabelledBox, VideoLabels

REFERENCES = (
    "frames without annotations serve as reference frames only (--unlabelled empty if they have "
    "no objects)"
)
NOT_ANNOTATED = "frames outside the annotated part serve as reference frames only"
BEYOND = "boxes end beyond their image and are kept"
WITHOUT_BOTH = "images without boxes and without a picture"
WITHOUT_PICTURE = "interpolated boxes on frames without a picture"
OVER_THE_EDGE = 0.05  # pixels; a box that ends farther beyond its image is a remark
SOUND_GOES_ON = 3  # frames by which a rough length may differ


def add_video(
    builder: CocoVidBuilder, video: VideoLabels, frames: Frames, unlabelled: str
) -> Counter[str]:
    """Put a video into the builder and count what is left out.

    Args:
        builder: where the records go.
        video: its annotations.
        frames: its frames, as they were found.
        unlabelled: meaning of frames without annotations, see ``convert.UNLABELLED``.

    Raises:
        InputError: if annotations and frames do not belong to each other.
    """
    _check_sizes(video, frames)
    positions, others = None, REFERENCES
    if video.labelled_frames is not None and video.frames is not None:
        # a picture without boxes may be missing
        found = (frames.position(frame) for frame in video.labelled_frames)
        positions, others = {place for place in found if place is not None}, NOT_ANNOTATED
    elif video.labelled_frames is not None:
        positions = _labelled_positions(frames, video)
        if unlabelled == "empty":
            positions = None
    left_out: Counter[str] = Counter()
    boxes: dict[int, list[LabelledBox]] = defaultdict(list)
    for box in video.boxes:
        if box.interpolated and frames.position(box.frame) is None:
            left_out[WITHOUT_PICTURE] += 1
        else:
            boxes[_position(frames, box.frame, video, box.where)].append(box)
    of_video = {} if frames.video_file is None else {"file_name": frames.video_file}
    video_id = builder.add_video(video.name, **of_video)
    for position, size in enumerate(frames.sizes):
        of_frame: dict[str, object] = {}
        if frames.files is not None:
            of_frame["file_name"] = frames.files[position]
        if positions is not None:
            of_frame["is_vid_train_frame"] = position in positions
            left_out[others] += position not in positions
        image_id = builder.add_frame(video_id, position, size, **of_frame)
        scales = [size[side] / video.drawn_on[side] if video.drawn_on else 1 for side in (0, 1)]
        for box in _without_doubles(boxes[position], left_out):
            x, y, w, h = (side * scale for side, scale in zip(box.bbox, scales * 2, strict=True))
            if min(w, h, x + w, y + h, size[0] - x, size[1] - y) <= 0:
                left_out["boxes outside their image or without area"] += 1
                continue
            over = max(-x, -y, x + w - size[0], y + h - size[1])
            left_out[BEYOND] += over > OVER_THE_EDGE
            of_box: dict[str, object] = {"iscrowd": int(box.ignored)}
            if box.occluded is not None:
                of_box["occluded"] = int(box.occluded)
            assert box.category is not None
            builder.add_box(image_id, box.category, (x, y, w, h), track=box.track, **of_box)
    return +left_out


def _labelled_positions(frames: Frames, video: VideoLabels) -> set[int]:
    """Positions of the frames that have label files."""
    files: dict[int, int | str] = {}
    with_boxes = {box.frame for box in video.boxes}
    for frame in sorted(video.labelled_frames or (), key=str):
        if video.shares_folders and frame not in with_boxes and frames.position(frame) is None:
            frames.left_out[WITHOUT_BOTH] += 1
            continue
        other = files.setdefault(_position(frames, frame, video), frame)
        if other != frame:
            raise InputError(
                f"{video.where} has annotations of one frame twice, as {other} and as {frame}: "
                "keep the right ones."
            )
    return set(files)


def _without_doubles(boxes: Sequence[LabelledBox], left_out: Counter[str]) -> list[LabelledBox]:
    """Boxes of a frame without those that are given twice."""
    seen: dict[tuple, LabelledBox] = {}
    tracks: dict[Hashable, LabelledBox] = {}
    for box in boxes:
        key = box.category, box.bbox, box.track
        if key in seen:
            left_out["boxes that are given twice"] += 1
            continue
        seen[key] = box
        if box.track is not None:
            other = tracks.setdefault(box.track, box)
            if other is not box:
                raise InputError(
                    f"{box.where}: track {box.track} has another box on the same frame in "
                    f"{other.where}: give each object a track of its own, or remove the tracks."
                )
    return list(seen.values())


def _check_sizes(video: VideoLabels, frames: Frames) -> None:
    if video.images is not None and len(video.images) != len(frames.sizes):
        raise InputError(
            f"{video.where} has {len(video.images)} frames, {frames.video_file or 'its video'} has "
            f"{len(frames.sizes)}: give the video that was annotated."
        )
    expected_length = video.rough_length
    if expected_length is not None and abs(expected_length - len(frames.sizes)) > SOUND_GOES_ON:
        raise InputError(
            f"{video.where} has {expected_length} frames, {frames.name} has {len(frames.sizes)}: "
            "give the video that was annotated, at the rate at which it was."
        )
    stated = {frames.position(frame): size for frame, size in video.sizes.items()}
    for position, size in enumerate(frames.sizes):
        expected = stated.get(position, video.size)
        if expected is not None and tuple(size) != tuple(expected):
            name = frames.files[position] if frames.files else frames.video_file
            remedy = "give the images that were annotated"
            if tuple(size) == tuple(expected)[::-1]:
                remedy = SWAPPED_SIDES
            raise InputError(
                f"{name} is {size[0]} x {size[1]} pixels, {video.where} says {expected[0]} x "
                f"{expected[1]}: {remedy}."
            )


def _position(frames: Frames, frame: int | str, video: VideoLabels, where: str = "") -> int:
    position = frames.position(frame)
    if position is None:
        hint = ""
        if video.rate is not None:
            hint = f"; its numbers are those of images at {video.rate:g} frames a second, from 1"
        elif frames.first_number is not None and isinstance(frame, str):
            hint = f"; the first frame counts as number {frames.first_number} (--first-frame)"
        shown = frame if isinstance(frame, str) else frame + video.counts_from
        raise InputError(
            f"{where or video.where} annotates frame {shown}, which {frames.name} with its "
            f"{len(frames.sizes)} frames does not have: add the frame, or correct the "
            f"annotation{hint}."
        )
    return position
