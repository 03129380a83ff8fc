"""Conversion of annotations of any known format, with their frames, to COCO-VID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ....errors import InputError
from ....files import read_json, write_json
from ....parallel import in_processes
from .archives import opened
from .class_names import class_names, name_others
from .clips import first_number_of, split_images, split_label_files
from .coco_vid import CocoVidBuilder, summary
from .cvat import read_cvat
from .epic_kitchens import read_epic_kitchens
from .frames import Frames
from .images import OTHER_NUMBERS, find_images
from .label_studio import read_label_studio
from .labels import Labels, VideoLabels
from .mot_challenge import read_mot_challenge
from .stated_names import by_stated_names
from .unused_media import unused_media
from .video_files import OTHER_RATE, find_video_file
from .video_records import BEYOND, NOT_ANNOTATED, REFERENCES, add_video
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
REMARKS = (REFERENCES, NOT_ANNOTATED, BEYOND, OTHER_RATE, OTHER_NUMBERS)  # nothing is left out
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
            left_out += add_video(builder, part, of_part, unlabelled) + of_part.left_out
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
