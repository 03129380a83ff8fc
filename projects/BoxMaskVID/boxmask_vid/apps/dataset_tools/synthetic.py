"""Data set of synthetic videos in the ILSVRC2015 layout."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError
from ...parallel import in_processes
from .contact_sheet import write_picture
from .converters.ilsvrc import BOX_RULES, read_xml
from .converters.imagenet_vid import key_frames
from .synthetic_scene import CLASS_NAMES, HEIGHT, WIDTH, Scene, SceneBox, render_video

WORDNET_IDS = tuple(f"n9{index:07d}" for index in range(1, len(CLASS_NAMES) + 1))
JPEG_QUALITY = 92


def make_synthetic_vid(
    output: Path,
    *,
    videos: int,
    frames: int,
    seed: int,
    degradation: float = 1.0,
    val_videos: int | None = None,
    val_frames: int | None = None,
) -> Path:
    """Write a data set of training and validation videos.

    Args:
        output: root of the ILSVRC2015 tree; created if it does not exist.
        videos: number of videos, 2 at least.
        frames: frames per training video.
        seed: determines everything.
        degradation: 0 for clean frames, 1 for the usual mixture, more for worse ones.
        val_videos: number of validation videos among them; None for a quarter.
        val_frames: frames per validation video; None for as many as per training video.

    Returns:
        path of a picture of some videos, ``contact_sheet.png``.

    Raises:
        InputError: if there are too few videos or frames.
    """
    num_val = max(1, round(videos / 4)) if val_videos is None else val_videos
    if not 0 < num_val < videos or frames < 1 or degradation < 0:
        raise InputError(
            f"videos {videos}, val_videos {num_val}, frames {frames}, degradation {degradation}: "
            "give at least a video for training, a video for validation and a frame, and a "
            "degradation of 0 or more."
        )
    lengths = {f"val/synthetic_val_{i:05d}": val_frames or frames for i in range(num_val)}
    for index in range(videos - num_val):
        folder = f"train/ILSVRC2015_VID_train_{index % 4:04d}"
        lengths[f"{folder}/synthetic_train_{index:05d}"] = frames
    jobs = [
        (output, name, Scene(length, degradation), (seed, index))
        for index, (name, length) in enumerate(lengths.items())
    ]
    for _ in in_processes(_write_video, jobs, what="video"):
        pass
    _write_lists(output, dict(sorted(lengths.items())))
    return _write_contact_sheet(output, lengths)


def _write_video(job: tuple[Path, str, Scene, tuple[int, ...]]) -> None:
    output, name, scene, seed = job
    images, annotations = output / "Data/VID" / name, output / "Annotations/VID" / name
    images.mkdir(parents=True, exist_ok=True)
    annotations.mkdir(parents=True, exist_ok=True)
    for index, (frame, boxes) in enumerate(render_video(scene, seed)):
        path = images / f"{index:06d}.JPEG"
        encoded, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert encoded, f"OpenCV cannot encode {path}"
        path.write_bytes(data.tobytes())
        tree = ElementTree.ElementTree(_xml(name, index, boxes))
        ElementTree.indent(tree, "\t")
        tree.write(annotations / f"{index:06d}.xml")


def _xml(name: str, index: int, boxes: list[SceneBox]) -> ElementTree.Element:
    root = ElementTree.Element("annotation")

    def add(parent: ElementTree.Element, tag: str, text: object = None) -> ElementTree.Element:
        child = ElementTree.SubElement(parent, tag)
        child.text = None if text is None else str(text)
        return child

    add(root, "folder", name.split("/", 1)[1])
    add(root, "filename", f"{index:06d}")
    add(add(root, "source"), "database", "ILSVRC_2015")
    size = add(root, "size")
    add(size, "width", WIDTH)
    add(size, "height", HEIGHT)
    for box in boxes:
        node = add(root, "object")
        add(node, "trackid", box.track)
        add(node, "name", WORDNET_IDS[box.label])
        corners = add(node, "bndbox")
        x1, y1, x2, y2 = box.box
        for tag, value in (("xmax", x2), ("xmin", x1), ("ymax", y2), ("ymin", y1)):
            add(corners, tag, value)
        add(node, "occluded", int(box.occluded))
        add(node, "generated", 0)
    return root


def _write_lists(output: Path, lengths: dict[str, int]) -> None:
    lists, devkit = output / "ImageSets", output / "devkit/data"
    lists.mkdir(parents=True, exist_ok=True)
    devkit.mkdir(parents=True, exist_ok=True)
    train = {name: frames for name, frames in lengths.items() if name.startswith("train/")}
    rows = [f"{name} 1 {key} {n}" for name, n in train.items() for key in key_frames(n)]
    (lists / "VID_train_15frames.txt").write_text("\n".join(rows) + "\n")
    val = {name: frames for name, frames in lengths.items() if name.startswith("val/")}
    firsts = itertools.accumulate(val.values(), initial=1)  # numbers of frames in the whole split
    rows = [f"{name} {first} 0 {n}" for (name, n), first in zip(val.items(), firsts, strict=False)]
    (lists / "VID_val_videos.txt").write_text("\n".join(rows) + "\n")
    classes = enumerate(zip(WORDNET_IDS, CLASS_NAMES, strict=True), start=1)
    rows = [f"{wordnet_id} {index} {name}" for index, (wordnet_id, name) in classes]
    (devkit / "map_vid.txt").write_text("\n".join(rows) + "\n")


def _write_contact_sheet(output: Path, lengths: dict[str, int]) -> Path:
    """Write a picture with a row of frames per video, for the first videos, boxes drawn."""
    rows = []
    for name, frames in list(lengths.items())[:6]:
        shown = np.linspace(0, frames - 1, 6).astype(int)
        rows.append(np.hstack([_annotated_frame(output, name, index) for index in shown]))
    path = output / "contact_sheet.png"
    write_picture(path, np.vstack(rows))
    return path


def _annotated_frame(output: Path, name: str, index: int) -> np.ndarray:
    frame = cv2.imread(str(output / "Data/VID" / name / f"{index:06d}.JPEG"))
    path = output / "Annotations/VID" / name / f"{index:06d}.xml"
    for box in read_xml(path, BOX_RULES["short"]).objects:
        x, y, w, h = box["bbox"]
        label = CLASS_NAMES[WORDNET_IDS.index(box["name"])]
        cv2.rectangle(frame, (x, y), (x + w, y + h), (0, 255, 0), 1)
        place = x, max(y - 3, 9)
        cv2.putText(
            frame, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 255, 0), 1, cv2.LINE_AA
        )
    return frame
