"""Image files that are missing, unreadable, or of another size than a COCO-VID JSON says."""

from __future__ import annotations

from pathlib import Path

from detectron2.utils.file_io import PathManager
from PIL import Image

from ....data.datasets.vid_columns import VIDColumns
from ....data.video_frame_names import join_root
from ....parallel import in_processes
from ..converters.images import oriented_size
from .report import CheckReport

MISSING = "missing images"
WRONG_SIZE = "sizes that disagree with the files"


def check_images(columns: VIDColumns, root: Path, decode: bool, report: CheckReport) -> None:
    """Check the image files of a COCO-VID JSON that has all fields, below a folder.

    Without ``decode`` only their headers are read.
    """
    sizes = columns.sizes[:, ::-1].tolist()
    jobs = [(str(root), name, decode) for name in columns.file_names]
    results = in_processes(_look_at, jobs, what="image")
    for row, (listed, result) in enumerate(zip(sizes, results, strict=True)):
        size, problem, offender = result
        if size is None:
            report.add(problem, offender)
            report.bad_images.add(row)
        elif list(size) != listed:
            report.file_sizes[row] = size
            if min(listed) >= 1:
                report.add(WRONG_SIZE, _difference(offender, size, listed))
        if size is not None and problem:
            report.add(problem, offender)
            report.backslashes.add(row)


def _look_at(job: tuple[str, str | None, bool]) -> tuple[tuple[int, int] | None, str, str]:
    """Find the width and height of an image, the check that it fails, and what describes it."""
    root, name, decode = job
    if name is None:
        return None, MISSING, "an image without file_name"
    path = join_root(root, name)
    try:
        return _read_size(path, decode), "", path
    except (FileNotFoundError, NotADirectoryError):
        if "\\" in name:
            size, _, _ = _look_at((root, name.replace("\\", "/"), decode))
            if size is not None:
                return size, MISSING, f"{path} (with / for \\ it is there)"
        return None, MISSING, path
    except Exception as error:  # decoders raise anything
        return None, "unreadable images", f"{path} ({str(error)[:80]})"


def _read_size(path: str, decode: bool) -> tuple[int, int]:
    with PathManager.open(path, "rb") as file, Image.open(file) as image:
        size = oriented_size(image)
        if decode:
            image.load()
        return size


def _difference(path: str, size: tuple[int, int], listed: list[int]) -> str:
    sentence = f"{path}: {size[0]} x {size[1]}, not {listed[0]} x {listed[1]}"
    swapped = list(size) == listed[::-1]
    return f"{sentence} (swapped sides: see its EXIF orientation)" if swapped else sentence
