"""Synthetic videos in the ILSVRC2015 layout: textured objects that move over a moving background.

A class is a silhouette with a texture and a range of hues. Motion blur, defocus, noise, darkness
and lost colour are drawn frame by frame: they leave the place of an object and take what tells its
class, so a frame is hard alone and easy with its neighbours. Everything follows from the seed.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import InputError
from ...parallel import in_processes
from .converters.imagenet_vid import key_frames

SILHOUETTES = ("disc", "square")
TEXTURES = ("striped", "dotted")
CLASS_NAMES = tuple(f"{texture}_{shape}" for shape in SILHOUETTES for texture in TEXTURES)
WORDNET_IDS = tuple(f"n9{index:07d}" for index in range(1, len(CLASS_NAMES) + 1))

HEIGHT, WIDTH = 144, 192  # pixels of a frame
PATCH = 120  # pixels of the square that an object is painted in
MARGIN = 40  # pixels that the background is larger than the frame on each side
JPEG_QUALITY = 92
OCCLUDED = 0.4  # share of hidden pixels from which an object counts as occluded
DROPPED = 0.7  # share from which it is not annotated at all


@dataclass(frozen=True)
class Scene:
    """How hard the videos are.

    ``degradation`` scales both how many frames are degraded and how strongly: 0 is clean.
    """

    frames: int
    degradation: float


@dataclass
class _Object:
    """An object and its way through the video; positions in pixels, one row for each frame."""

    label: int
    paint: np.ndarray  # (PATCH, PATCH, 3) uint8
    alpha: np.ndarray  # (PATCH, PATCH) float in 0 .. 1
    centre: np.ndarray  # (F, 2) x, y
    size: np.ndarray  # (F,) side of the patch on the frame
    angle: np.ndarray  # (F,) degrees


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
        output: root of the ILSVRC2015 tree; made if it is not there.
        videos: number of videos, 2 at least.
        val_videos: how many of them are for validation; None for a quarter.
        frames: frames of each.
        val_frames: frames of those for validation; None for as many.
        seed: decides everything.
        degradation: 0 for clean frames, 1 for the usual mixture, more for worse.

    Returns:
        a picture of what was made, ``contact_sheet.png``.

    Raises:
        InputError: if there are too few videos or frames.
    """
    num_val = max(1, round(videos / 4)) if val_videos is None else val_videos
    if not 0 < num_val < videos or frames < 1 or degradation < 0:
        raise InputError(
            f"videos {videos}, val_videos {num_val}, frames {frames}, degradation {degradation}: "
            "there must be a video for training and one for validation, a frame, and no negative "
            "degradation."
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


def render_video(scene: Scene, seed: tuple[int, ...]) -> Iterator[tuple[np.ndarray, list[dict]]]:
    """The frames of one video.

    Args:
        scene: how hard it is.
        seed: decides everything; its last number also the class of the first object, so that
            consecutive numbers give all classes.

    Yields:
        a BGR frame (HEIGHT, WIDTH, 3) uint8 and its objects {track, label, box, occluded}; boxes
        are ``x1, y1, x2, y2`` with the last pixel included.
    """
    rng = np.random.default_rng(seed)
    background = _background(rng)
    pan = _wander(rng, scene.frames, 2, reach=0.75 * MARGIN)
    labels = [seed[-1] % len(CLASS_NAMES), *rng.integers(len(CLASS_NAMES), size=rng.integers(2))]
    places = rng.permutation([0.3, 0.7]) if len(labels) > 1 else rng.uniform(0.3, 0.7, 1)
    objects = [
        _object(rng, int(label), place * WIDTH, scene.frames)
        for label, place in zip(labels, places, strict=True)
    ]
    bars = [_bar(rng, scene.frames) for _ in range(rng.integers(2))]
    for index in range(scene.frames):
        frame = _crop(background, pan[index])
        visible = []
        for track, each in enumerate(objects):
            paint, alpha = _place(each, index)
            for other in visible:  # later objects and bars are nearer
                other["seen"] = other["seen"] * (1 - alpha)
            visible.append({"track": track, "object": each, "all": alpha, "seen": alpha})
            frame = frame * (1 - alpha[..., None]) + paint * alpha[..., None]
        for colour, polygon in bars:
            mask = np.zeros((HEIGHT, WIDTH), np.float32)
            cv2.fillConvexPoly(mask, polygon[index], 1.0)
            frame = frame * (1 - mask[..., None]) + colour * mask[..., None]
            for each in visible:
                each["seen"] = each["seen"] * (1 - mask)
        yield _degrade(rng, frame, scene.degradation), list(_annotations(visible))


def _annotations(visible: list[dict]) -> Iterator[dict]:
    for each in visible:
        inside = each["all"] > 0.5
        if inside.sum() < 64:
            continue
        hidden = 1 - each["seen"].sum() / each["all"].sum()
        if hidden > DROPPED:
            continue
        ys, xs = np.nonzero(inside)
        yield {
            "track": each["track"],
            "label": each["object"].label,
            "box": (int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())),
            "occluded": int(hidden > OCCLUDED),
        }


def _wander(rng: np.random.Generator, frames: int, dims: int, reach: float) -> np.ndarray:
    """(frames, dims) smooth way within +- ``reach``."""
    time = np.linspace(0, 1, frames)[:, None]
    frequency, phase = rng.uniform(0.3, 1.2, dims), rng.uniform(0, 2 * np.pi, dims)
    return reach * np.sin(2 * np.pi * frequency * time * frames / 24 + phase)


def _background(rng: np.random.Generator) -> np.ndarray:
    """A picture larger than the frame: pale noise of several scales, and clutter."""
    height, width = HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN
    picture = np.zeros((height, width, 3), np.float32)
    for cells in (3, 6, 12, 40):
        noise = rng.uniform(-1, 1, (cells, cells, 3)) * 0.3 + rng.uniform(-1, 1, (cells, cells, 1))
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        picture += noise.astype(np.float32) * 50 / cells**0.5
    picture += rng.uniform(90, 160) + rng.uniform(-15, 15, 3)
    for _ in range(rng.integers(4, 12)):
        colour = rng.uniform(50, 200) + rng.uniform(-15, 15, 3)
        centre = rng.integers(0, (width, height))
        corners = centre + rng.integers(-35, 35, (rng.integers(3, 6), 2))
        blend = picture.copy()
        cv2.fillConvexPoly(blend, cv2.convexHull(corners.astype(np.int32)), colour.tolist())
        picture = 0.45 * picture + 0.55 * blend
    return np.clip(picture, 0, 255).astype(np.float32)


def _crop(background: np.ndarray, shift: np.ndarray) -> np.ndarray:
    x, y = (MARGIN + shift).round().astype(int)
    return background[y : y + HEIGHT, x : x + WIDTH]


def _object(rng: np.random.Generator, label: int, x: float, frames: int) -> _Object:
    """An object that moves around ``x``."""
    alpha = _silhouette(SILHOUETTES[label // len(TEXTURES)])
    size = rng.uniform(64, 104) * (1 + 0.3 * _wander(rng, frames, 1, 1.0)[:, 0])
    middle = np.array([x, rng.uniform(0.3, 0.7) * HEIGHT])
    centre = middle + _wander(rng, frames, 2, reach=rng.uniform(6, 28))
    turn = _wander(rng, frames, 1, reach=rng.uniform(0, 40))[:, 0]
    paint = _texture(rng, label)
    return _Object(label, paint, alpha, centre, size, rng.uniform(0, 360) + turn)


def _silhouette(shape: str) -> np.ndarray:
    alpha = np.zeros((PATCH, PATCH), np.float32)
    middle, radius = PATCH // 2, PATCH // 2 - 6
    if shape == "disc":
        cv2.circle(alpha, (middle, middle), radius, 1.0, -1, cv2.LINE_AA)
    else:
        side = int(radius * 0.75)
        corners = (middle - side, middle - side), (middle + side, middle + side)
        cv2.rectangle(alpha, *corners, 1.0, -1)
    return alpha


def _texture(rng: np.random.Generator, label: int) -> np.ndarray:
    """(PATCH, PATCH, 3): a dark and a bright shade of the hue of a class, in stripes or dots."""
    hue = (label + rng.uniform(-0.35, 0.35)) * 180 / len(CLASS_NAMES) % 180
    shades = [[hue, rng.uniform(140, 230), value] for value in rng.uniform((60, 190), (110, 250))]
    dark, bright = cv2.cvtColor(np.uint8([shades]), cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    y, x = np.mgrid[:PATCH, :PATCH] / rng.uniform(21, 27)
    if TEXTURES[label % len(TEXTURES)] == "striped":
        wave = np.sin(2 * np.pi * x)
    else:
        wave = np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y) - 0.6
    mix = 1 / (1 + np.exp(-6 * wave))[..., None]
    return (dark * (1 - mix) + bright * mix).astype(np.float32)


def _place(each: _Object, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint (HEIGHT, WIDTH, 3) and alpha (HEIGHT, WIDTH) of an object on a frame."""
    scale = each.size[index] / PATCH
    matrix = cv2.getRotationMatrix2D((PATCH / 2, PATCH / 2), each.angle[index], scale)
    matrix[:, 2] += each.centre[index] - PATCH / 2
    warp = {"dsize": (WIDTH, HEIGHT), "flags": cv2.INTER_LINEAR}
    paint = cv2.warpAffine(each.paint, matrix, **warp, borderMode=cv2.BORDER_REPLICATE)
    return paint, cv2.warpAffine(each.alpha, matrix, **warp)


def _bar(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """A bar that crosses the frame: its colour and, for each frame, its four corners."""
    width = rng.uniform(10, 25)
    start, end = rng.permutation([-0.1 * WIDTH, 1.1 * WIDTH])
    way = np.linspace(start, end, frames) * rng.uniform(0.5, 1)
    lean = rng.uniform(-30, 30)
    top, bottom = np.array([lean, -10]), np.array([-lean, HEIGHT + 10])
    corners = np.stack([top, top + (width, 0), bottom + (width, 0), bottom])
    moved = corners[None] + np.stack([way, np.zeros(frames)], axis=1)[:, None]
    return rng.uniform(40, 200) + rng.uniform(-15, 15, 3), moved.round().astype(np.int32)


def _degrade(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    """The frame as uint8; degraded with a probability and a force that grow with ``strength``."""
    degradations: tuple[Callable, ...] = (_motion_blur, _defocus, _noise, _darkness, _greyness)
    if rng.random() < min(0.55 * strength, 0.95):
        chosen = rng.choice(len(degradations), size=2, replace=False)
        for index in chosen:
            frame = degradations[index](rng, frame, strength)
    return np.clip(frame, 0, 255).round().astype(np.uint8)


def _motion_blur(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    length = int(rng.uniform(7, 17) * strength) | 1
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    angle = rng.uniform(0, 180)
    matrix = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), angle, 1)
    kernel = cv2.warpAffine(kernel, matrix, (length, length))
    return cv2.filter2D(frame, -1, kernel / kernel.sum())


def _defocus(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    return cv2.GaussianBlur(frame, (0, 0), rng.uniform(1.5, 3.5) * strength)


def _noise(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    return frame + rng.normal(0, rng.uniform(20, 50) * strength, frame.shape)


def _darkness(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    keep = 1 - min(rng.uniform(0.5, 0.8) * strength, 0.95)
    return frame * keep + rng.normal(0, 6 * strength, frame.shape)


def _greyness(rng: np.random.Generator, frame: np.ndarray, strength: float) -> np.ndarray:
    lost = min(rng.uniform(0.7, 1.0) * strength, 1.0)
    return frame * (1 - lost) + frame.mean(axis=2, keepdims=True) * lost


def _write_video(job: tuple[Path, str, Scene, tuple[int, ...]]) -> None:
    output, name, scene, seed = job
    images, annotations = output / "Data/VID" / name, output / "Annotations/VID" / name
    images.mkdir(parents=True, exist_ok=True)
    annotations.mkdir(parents=True, exist_ok=True)
    for index, (frame, objects) in enumerate(render_video(scene, seed)):
        path = images / f"{index:06d}.JPEG"
        encoded, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        assert encoded, f"OpenCV cannot encode {path}"
        path.write_bytes(data.tobytes())
        tree = ElementTree.ElementTree(_xml(name, index, objects))
        ElementTree.indent(tree, "\t")
        tree.write(annotations / f"{index:06d}.xml")


def _xml(name: str, index: int, objects: list[dict]) -> ElementTree.Element:
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
    for each in objects:
        node = add(root, "object")
        add(node, "trackid", each["track"])
        add(node, "name", WORDNET_IDS[each["label"]])
        box = add(node, "bndbox")
        x1, y1, x2, y2 = each["box"]
        for tag, value in (("xmax", x2), ("xmin", x1), ("ymax", y2), ("ymin", y1)):
            add(box, tag, value)
        add(node, "occluded", each["occluded"])
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
    """A row for each of a few videos of validation, boxes drawn."""
    rows = []
    for name, frames in list(lengths.items())[:6]:
        shown = np.linspace(0, frames - 1, 6).astype(int)
        rows.append(np.hstack([_annotated_frame(output, name, index) for index in shown]))
    path = output / "contact_sheet.png"
    cv2.imwrite(str(path), np.vstack(rows))
    return path


def _annotated_frame(output: Path, name: str, index: int) -> np.ndarray:
    frame = cv2.imread(str(output / "Data/VID" / name / f"{index:06d}.JPEG"))
    xml = ElementTree.parse(output / "Annotations/VID" / name / f"{index:06d}.xml")
    for node in xml.iter("object"):
        corners = [int(node.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax")]
        label = CLASS_NAMES[WORDNET_IDS.index(node.findtext("name"))]
        cv2.rectangle(frame, corners[:2], corners[2:], (0, 255, 0), 1)
        place = corners[0], max(corners[1] - 3, 9)
        cv2.putText(
            frame, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 255, 0), 1, cv2.LINE_AA
        )
    return frame
