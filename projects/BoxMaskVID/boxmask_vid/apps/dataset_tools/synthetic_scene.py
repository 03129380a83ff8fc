"""Synthetic videos: textured objects that move over a moving background.

A class is a silhouette with a texture and a range of hues. Some frames are degraded, see
:mod:`.degradations`. Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from .degradations import degrade

SILHOUETTES = ("disc", "square")
TEXTURES = ("striped", "dotted")
CLASS_NAMES = tuple(f"{texture}_{shape}" for shape in SILHOUETTES for texture in TEXTURES)

HEIGHT, WIDTH = 144, 192  # pixels of a frame
PATCH = 120  # side of the square that an object is painted in, pixels
MARGIN = 40  # pixels of background beyond each side of the frame
OCCLUDED = 0.4  # an object with a larger share of hidden pixels counts as occluded
SMALLEST = 64  # pixels of an object that is annotated
DROPPED = 0.7  # with a larger share it is not annotated


@dataclass(frozen=True)
class Scene:
    """Length and difficulty of a video.

    ``degradation`` scales the number of degraded frames and their strength: 0 is clean.
    """

    frames: int
    degradation: float


@dataclass(frozen=True)
class SceneBox:
    """Box of an object on a frame."""

    track: int  # number of the object in its video
    label: int  # position of its class in CLASS_NAMES
    box: tuple[int, int, int, int]  # x1, y1, x2, y2 in pixels, the last pixel included
    occluded: bool  # whether a large part of it is hidden


@dataclass(frozen=True)
class _Object:
    """Object and its path through the video; positions in pixels, a row per frame."""

    label: int
    paint: np.ndarray  # (PATCH, PATCH, 3) uint8
    alpha: np.ndarray  # (PATCH, PATCH) float in 0 .. 1
    centre: np.ndarray  # (F, 2) x, y
    size: np.ndarray  # (F,) side of the patch on the frame
    angle: np.ndarray  # (F,) degrees


@dataclass
class _VisibleObject:
    """Object on a frame, with the part of it that is not hidden."""

    label: int
    whole: np.ndarray  # (HEIGHT, WIDTH) alpha
    seen: np.ndarray  # (HEIGHT, WIDTH) alpha of the part that is not hidden


def render_video(
    scene: Scene, seed: tuple[int, ...]
) -> Iterator[tuple[np.ndarray, list[SceneBox]]]:
    """Render BGR frames (HEIGHT, WIDTH, 3) uint8 of a video, each with the boxes of its objects.

    The seed determines everything; its last number is also the class of the first object, so that
    consecutive numbers give all classes.
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
        x, y = (MARGIN + pan[index]).round().astype(int)
        frame = background[y : y + HEIGHT, x : x + WIDTH]
        visible: list[_VisibleObject] = []
        for item in objects:
            paint, alpha = _place(item, index)
            for farther in visible:  # later objects and bars are nearer
                farther.seen = farther.seen * (1 - alpha)
            visible.append(_VisibleObject(item.label, alpha, alpha))
            frame = frame * (1 - alpha[..., None]) + paint * alpha[..., None]
        for colour, polygon in bars:
            mask = np.zeros((HEIGHT, WIDTH), np.float32)
            cv2.fillConvexPoly(mask, polygon[index], (1.0,))
            frame = frame * (1 - mask[..., None]) + colour * mask[..., None]
            for item_on_frame in visible:
                item_on_frame.seen = item_on_frame.seen * (1 - mask)
        yield degrade(rng, frame, scene.degradation), list(_boxes(visible))


def _boxes(visible: list[_VisibleObject]) -> Iterator[SceneBox]:
    for track, item in enumerate(visible):
        inside = item.whole > 0.5
        if inside.sum() < SMALLEST:
            continue
        hidden = 1 - item.seen.sum() / item.whole.sum()
        if hidden > DROPPED:
            continue
        ys, xs = np.nonzero(inside)
        box = int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())
        yield SceneBox(track, item.label, box, occluded=bool(hidden > OCCLUDED))


def _wander(rng: np.random.Generator, frames: int, dims: int, reach: float) -> np.ndarray:
    """Smooth path (frames, dims) within +- ``reach``."""
    time = np.linspace(0, 1, frames)[:, None]
    frequency, phase = rng.uniform(0.3, 1.2, dims), rng.uniform(0, 2 * np.pi, dims)
    return reach * np.sin(2 * np.pi * frequency * time * frames / 24 + phase)


def _background(rng: np.random.Generator) -> np.ndarray:
    """Picture larger than the frame: pale noise of several scales, and clutter."""
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


def _object(rng: np.random.Generator, label: int, x: float, frames: int) -> _Object:
    """Draw an object that moves around ``x``."""
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
        cv2.circle(alpha, (middle, middle), radius, (1.0,), -1, cv2.LINE_AA)
    else:
        side = int(radius * 0.75)
        low, high = middle - side, middle + side
        cv2.rectangle(alpha, (low, low), (high, high), (1.0,), -1)
    return alpha


def _texture(rng: np.random.Generator, label: int) -> np.ndarray:
    """Texture (PATCH, PATCH, 3) of a dark and a bright shade of the hue of a class."""
    hue = (label + rng.uniform(-0.35, 0.35)) * 180 / len(CLASS_NAMES) % 180
    shades = [[hue, rng.uniform(140, 230), value] for value in rng.uniform((60, 190), (110, 250))]
    pixels = np.array([shades]).astype(np.uint8)
    dark, bright = cv2.cvtColor(pixels, cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    y, x = np.mgrid[:PATCH, :PATCH] / rng.uniform(21, 27)
    if TEXTURES[label % len(TEXTURES)] == "striped":
        wave = np.sin(2 * np.pi * x)
    else:
        wave = np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y) - 0.6
    mix = 1 / (1 + np.exp(-6 * wave))[..., None]
    return (dark * (1 - mix) + bright * mix).astype(np.float32)


def _place(item: _Object, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint (HEIGHT, WIDTH, 3) and alpha (HEIGHT, WIDTH) of an object on a frame."""
    scale = item.size[index] / PATCH
    middle = (PATCH / 2, PATCH / 2)
    matrix: np.ndarray = cv2.getRotationMatrix2D(middle, item.angle[index], scale)
    matrix[:, 2] += item.centre[index] - PATCH / 2
    size = (WIDTH, HEIGHT)
    paint = cv2.warpAffine(item.paint, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return paint, cv2.warpAffine(item.alpha, matrix, size)


def _bar(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a bar that crosses the frame: its colour, and its four corners on each frame."""
    width = rng.uniform(10, 25)
    start, end = rng.permutation([-0.1 * WIDTH, 1.1 * WIDTH])
    path = np.linspace(start, end, frames) * rng.uniform(0.5, 1)
    lean = rng.uniform(-30, 30)
    top, bottom = np.array([lean, -10]), np.array([-lean, HEIGHT + 10])
    corners = np.stack([top, top + (width, 0), bottom + (width, 0), bottom])
    moved = corners[None] + np.stack([path, np.zeros(frames)], axis=1)[:, None]
    return rng.uniform(40, 200) + rng.uniform(-15, 15, 3), moved.round().astype(np.int32)
