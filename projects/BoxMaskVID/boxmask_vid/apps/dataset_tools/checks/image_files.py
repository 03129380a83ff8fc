"""Image files that are missing, unreadable, or of another size than a COCO-VID JSON says."""

from __future__ import annotations

from pathlib import Path

from detectron2.utils.file_io import PathManager
from PIL import Image

from ....data.datasets.vid_columns import VIDColumns
from ....data.video_frame_names import join_root
from ....errors import InputError
from ....parallel import in_processes
from ..converters.media import oriented_size
from .report import CheckReport

WRONG_SIZE = "sizes that disagree with the files"


def check_images(columns: VIDColumns, root: Path, decode: bool, report: CheckReport) -> None:
    """Check the image files of a COCO-VID JSON that has all fields, below a folder.

    Without ``decode`` only their headers are read.
    """
    images = zip(columns.file_names, columns.records["images"], strict=True)
    jobs = [(str(root), name, (image["width"], image["height"]), decode) for name, image in images]
    for row, problem in enumerate(in_processes(_image_problem, jobs, what="image")):
        if problem is not None:
            check, offender = problem
            report.add(check, offender)
            if check != WRONG_SIZE:
                report.bad_images.add(row)


def _image_problem(job: tuple[str, str | None, tuple[int, int], bool]) -> tuple[str, str] | None:
    """Find the check that an image fails, and describe the image; None if it is right."""
    root, name, listed_size, decode = job
    if name is None:
        return "missing images", "an image without file_name"
    path = join_root(root, name)
    try:
        with PathManager.open(path, "rb") as file, Image.open(file) as image:
            if decode:
                image.load()
            size = oriented_size(image)
    except FileNotFoundError:
        return "missing images", path
    except (OSError, SyntaxError, ValueError, InputError) as error:
        return "unreadable images", f"{path} ({str(error)[:80]})"
    if size != listed_size:
        return WRONG_SIZE, f"{path}: {size[0]} x {size[1]}, not {listed_size[0]} x {listed_size[1]}"
    return None
