"""Pictures that show where their box is: picture i has a red box at x = 20 + 6 i."""

import functools
import json
from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np

from boxmask_vid.apps.dataset_tools.converters.convert import convert_to_coco_vid

SIZE = 320, 240
RED = 32, 32, 208  # BGR


def box(index: int) -> list[int]:
    return [20 + 6 * index, 60, 60, 40]


def picture(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    frame = np.full((size[1], size[0], 3), 160, np.uint8)
    x, y, w, h = box(index)
    frame[y : y + h, x : x + w] = RED
    return frame


def write_pictures(
    folder: Path, indices: Iterable[int] = range(6), name: str = "frame_{:06d}.png", first: int = 0
) -> None:
    """Write pictures ``indices`` with names that count from ``first``."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in indices:
        cv2.imwrite(str(folder / name.format(index + first)), picture(index))


def red_box(path: Path) -> list[int] | None:
    """Find the red box of a picture."""
    return _red_box(path.read_bytes())


@functools.lru_cache(maxsize=1000)
def _red_box(data: bytes) -> list[int] | None:
    frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    is_red = (np.abs(frame.astype(int) - RED) < 60).all(axis=2)
    if not is_red.any():
        return None
    rows, columns = np.flatnonzero(is_red.any(axis=1)), np.flatnonzero(is_red.any(axis=0))
    x, y = columns[0], rows[0]
    return [int(x), int(y), int(columns[-1] - x + 1), int(rows[-1] - y + 1)]


def convert(source: Path, output: Path, **kwargs) -> dict:
    convert_to_coco_vid(source, output, **kwargs)
    return json.loads(output.read_text())


def boxes_of_pictures(content: dict) -> dict[str, list]:
    """Boxes by file name, rounded to 0.001; frame by frame for video files."""
    names, found = {}, {}
    videos = {video["id"]: video["name"] for video in content["videos"]}
    for image in content["images"]:
        default = f"{videos[image['video_id']]}#{image['frame_id']}"
        names[image["id"]] = image.get("file_name", default)
        found[names[image["id"]]] = []
    for annotation in content["annotations"]:
        bbox = [round(side, 3) for side in annotation["bbox"]]
        found[names[annotation["image_id"]]].append(bbox)
    return found


def misfits(content: dict, root: Path, tolerance: float = 0.6) -> list[str]:
    """Pictures with a box that is not the red one."""
    return [
        f"{name}: {bbox} is not {red_box(root / name)}"
        for name, boxes in boxes_of_pictures(content).items()
        for bbox in boxes
        if not np.allclose(bbox, red_box(root / name) or [-1] * 4, atol=tolerance)
    ]


def write_video(
    path: Path, frames: int = 6, *, codec: str = "mpeg4", format: str | None = None
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height = SIZE
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
