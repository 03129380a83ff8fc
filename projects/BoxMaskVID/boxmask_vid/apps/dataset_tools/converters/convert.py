"""Conversion of annotations of any known format, with their frames, to COCO-VID."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from pathlib import Path

from ....data.datasets.numbered_frames import SWAPPED_SIDES
from ....errors import InputError
from ....files import read_json, write_json
from ....parallel import in_processes
from .archives import opened
from .class_names import class_names, name_others
from .clips import first_number_of, split_images, split_label_files
from .coco_vid import CocoVidBuilder, summary
from .cvat import read_cvat
from .epic_kitchens import read_epic_kitchens
from .label_studio import read_label_studio
from .labels import LabelledBox, Labels, VideoLabels
from .media import OTHER_NUMBERS, OTHER_RATE, Frames, find_images, find_video_file, unused_media
from .mot_challenge import read_mot_challenge
from .stated_names import by_stated_names
from .voc import read_voc
from .yolo import read_yolo
from .youtube_vis import read_youtube_vis

FORMATS: dict[str, Callable[[Path], Labels]] = {
    "cvat": read_cvat,
    "epic-kitchens": read_epic_kitchens,
    "label-studio": read_label_studio,
    "mot": read_mot_challenge,
    "voc": read_voc,
    "yolo": read_yolo,
    "youtube-vis": read_youtube_vis,
}
CORNERS = {
    "mot": read_mot_challenge,
    "voc": read_voc,
}  # formats whose tools count pixels from 0 or 1
LABEL_FILES = ("voc", "yolo")  # formats with a file an image, named after it
REFERENCES = (
    "frames without annotations serve as reference frames only (--unlabelled empty if they have "
    "no objects)"
)
NOT_ANNOTATED = "frames outside the annotated part serve as reference frames only"
BEYOND = "boxes end beyond their image and are kept"
REMARKS = (REFERENCES, NOT_ANNOTATED, BEYOND, OTHER_RATE, OTHER_NUMBERS)  # nothing is left out
WITHOUT_BOTH = "images without boxes and without a picture"
WITHOUT_PICTURE = "interpolated boxes on frames without a picture"
OVER_THE_EDGE = 0.05  # pixels; a box that ends farther beyond its image is a remark
SOUND_GOES_ON = 3  # frames by which a rough length may differ
UNLABELLED = ("reference", "empty")  # meanings of frames without annotations


def convert_to_coco_vid(
    source: Path,
    output: Path,
    *,
    format: str,
    root: Path | None = None,
    video_files: bool = False,
    extract: Path | None = None,
    first_number: int | None = None,
    corners_from: int | None = None,
    classes: Sequence[str] | None = None,
    unlabelled: str = "reference",
) -> Path:
    """Write a COCO-VID JSON.

    Args:
        source: the annotations, a folder, a file, or a zip file of them with their images.
        output: JSON to write.
        format: one of :data:`FORMATS`.
        root: folder that has image folders or video files; None for that of the annotations.
        video_files: whether the root has video files.
        extract: folder to write the frames of video files to, as JPEG; it then is the root. None
            to read them in place. A zip file is unpacked there.
        first_number: number of a video file's first frame in the names of label files; None for
            that of the format, or for 0 if a label file has it.
        corners_from: number of the first pixel in annotations, 0 or 1, where the format leaves that
            open (:data:`CORNERS`); None for what the tool that wrote them does.
        classes: names in the order of their ids; None for the order of the annotations.
        unlabelled: one of :data:`UNLABELLED`: frames without a label file serve as reference frames
            only, or are frames without objects.

    Returns:
        the root that belongs to the JSON.
    """
    if output.exists() and source.exists() and output.samefile(source):
        raise InputError(f"--output {output} is the annotation file itself: write another file.")
    _check_output(output)
    with opened(source, extract, needs_images=root is None) as folder:
        labels, notes = _read(folder, format, classes, corners_from)
        is_root = root is not None or folder.is_dir()
        root = root or labels.root or (folder if folder.is_dir() else folder.parent)
    extract = extract if video_files else None
    videos = labels.videos
    if video_files:
        videos = [part for video in videos for part in split_label_files(root, video)]
        if format in LABEL_FILES:
            first_number = first_number_of(videos, first_number)
    names = enumerate(class_names(labels, classes), start=1)
    info = {"description": f"from {source.name}", "format": format}
    builder = CocoVidBuilder(info, [{"id": index, "name": name} for index, name in names])
    find: Callable[[VideoLabels], Frames] = partial(find_images, root)
    if video_files:
        find = partial(find_video_file, root, extract, first_number)
    used, left_out, clips = _add_all(builder, videos, find, unlabelled)
    left_out += Counter(labels.left_out)
    if is_root:  # not whatever folder a file lies in
        left_out += unused_media(root, used)
    write_json(output, builder.content)
    root = extract or root
    _report(output, root, builder.content, left_out, [*notes, *clips])
    return root


def _check_output(output: Path) -> None:
    """An existing file is only replaced if it is a COCO-VID JSON: no other is lost."""
    if not output.is_file() or not output.stat().st_size:
        return
    if output.suffix.lower() != ".json":
        raise InputError(f"--output {output} exists and is no JSON file: write another file.")
    try:
        content = read_json(output)
    except InputError:  # whatever it is
        content = None
    if not (isinstance(content, dict) and {"videos", "images"} <= content.keys()):
        raise InputError(f"--output {output} exists and is no COCO-VID JSON: write another file.")


def _report(
    output: Path, root: Path, content: dict, left_out: Counter[str], notes: Sequence[str]
) -> None:
    """Print what was converted; the last lines say what was left out."""
    print(f"{output}: {summary(content)}")
    print(f"train on it with:  train_net.py --dataset NAME {output} {root} ...")
    for what, count in sorted((+left_out).items()):
        print(f"{count} {what}{'' if what.startswith(REMARKS) else ' left out'}")
    for note in notes:
        print(note)


def _add_all(
    builder: CocoVidBuilder,
    videos: Sequence[VideoLabels],
    find: Callable[[VideoLabels], Frames],
    unlabelled: str,
) -> tuple[list[Frames], Counter[str], list[str]]:
    """Put all videos into the builder.

    Returns:
        the frames of each video, what is left out, and notes on folders of several clips.
    """
    used: list[Frames] = []
    left_out: Counter[str] = Counter()
    notes = []
    all_frames = in_processes(find, videos, what="video")
    owners: dict[str, str] = {}  # videos of images
    for video, frames in zip(videos, all_frames, strict=True):
        used.append(frames)
        if video.may_have_clips:
            _check_owners(owners, video, frames)
        parts = split_images(by_stated_names(video, frames), frames)
        if len(parts) > 1:
            notes.append(f"{video.name} has images of {len(parts)} clips: each is a video")
        for part, of_part in parts:
            left_out += _add(builder, part, of_part, unlabelled) + of_part.left_out
    return used, left_out, notes


def _check_owners(owners: dict[str, str], video: VideoLabels, frames: Frames) -> None:
    """Label files of two folders must not be of the same images."""
    for file in frames.files or ():
        other = owners.setdefault(file, video.where)
        if other != video.where:
            raise InputError(
                f"{video.where} and {other} have label files of the same images, e.g. {file}: "
                "keep those of one folder."
            )


def _read(
    source: Path, format: str, classes: Sequence[str] | None, corners_from: int | None
) -> tuple[Labels, list[str]]:
    """Read annotations, and name the boxes that have no class; the second result are notes."""
    if format in CORNERS:
        labels = CORNERS[format](source, corners_from=corners_from)
    elif corners_from is not None:
        raise InputError(
            f"--corners-from {corners_from} is for {' and '.join(CORNERS)}: in {format} corners "
            "can be counted in one way only."
        )
    elif format == "yolo":
        labels = read_yolo(source, classes=classes)
    else:
        labels = FORMATS[format](source)
    labels, note = name_others(labels, classes, source.name)
    return labels, [*labels.notes, *note]


def _add(
    builder: CocoVidBuilder, video: VideoLabels, frames: Frames, unlabelled: str
) -> Counter[str]:
    """Put a video into the builder and count what is left out."""
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
