"""Checks and fixes of a COCO-VID JSON file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ...data.datasets.vid_form import FORM
from ...data.datasets.vid_json import vid_table
from ...errors import InputError
from ...files import read_json, refuse_overwriting, write_json
from .checks import CheckReport, check_content, fix_content, fix_form


def check_vid_json(
    json_file: Path,
    *,
    images: Path | None,
    others: Sequence[Path] = (),
    decode: bool = True,
    report: Path | None = None,
    fixed: Path | None = None,
) -> bool:
    """Print what is wrong with a JSON, and fix what has one possible answer.

    A fixed JSON is written only if it can be loaded.

    Args:
        json_file: COCO-VID JSON.
        images: image root; None to skip the image files.
        others: JSONs of other splits, which must not share its videos.
        decode: decode every image; otherwise only their headers are read.
        report: JSON to write the findings to.
        fixed: JSON to write the fixed content to.

    Returns:
        whether it is free of errors; with ``fixed``, whether the fixed one is.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not JSON, or an output is one of the inputs.
    """
    refuse_overwriting({"--fix": fixed, "--json": report}, [json_file, *others])
    content = read_json(json_file)
    splits = [(str(path), read_json(path)) for path in others]
    check = partial(check_content, image_root=images, decode=decode, others=splits)
    found = check(content)
    print(f"{json_file}{_counts(content, found)}\n{found}")
    if images is None:
        print("image files were not looked at: add --images")
    if sentence := _all_missing(content, found, images):
        print(f"{sentence}.")
    is_valid = not found.count("error")
    if fixed is not None:
        found, is_written = _fix(content, found, fixed, images, check)
        is_valid = is_written and not found.count("error")
    if report is not None:
        write_json(report, found.as_json())
        print(f"wrote {report}")
    return is_valid


def _fix(
    content: object,
    found: CheckReport,
    path: Path,
    images: Path | None,
    check: Callable[[object], CheckReport],
) -> tuple[CheckReport, bool]:
    """Write a fixed JSON, if it can be loaded; return its findings, and whether it is written."""
    nothing = f"--fix has written nothing to {path}"
    done: list[str] = []
    if found.cannot_be_loaded and isinstance(content, dict):
        content = copy.deepcopy(content)
        counts = fix_form(content)
        done += [sentence.format(count) for sentence, count in counts.items() if count]
        found = check(content)
    if found.cannot_be_loaded or not isinstance(content, dict):
        print(f"{nothing}: correct first what the check '{FORM}' found.")
        return found, False
    if sentence := _all_missing(content, found, images):
        print(f"{nothing}: {sentence}.")
        return found, False
    fixed, sentences = fix_content(content, found)
    try:
        vid_table(fixed, "what is fixed")
    except InputError as error:
        print(f"{nothing}: {error}")
        return found, False
    write_json(path, fixed)
    done += sentences
    print("\n".join(f"fixed: {sentence}" for sentence in done) or "there was nothing to fix")
    found = check(fixed)
    print(f"{path}{_counts(fixed, found)}\n{found}")
    return found, True


def _counts(content: object, found: CheckReport) -> str:
    """Numbers of videos, frames and boxes, behind the file's name; "" if it has not this form."""
    if found.cannot_be_loaded or not isinstance(content, dict):
        return ""
    videos, images, boxes = (len(content[name]) for name in ("videos", "images", "annotations"))
    return f": {videos} videos, {images} frames, {boxes} boxes"


def _all_missing(content: object, found: CheckReport, images: Path | None) -> str:
    """Sentence about images that are all missing or unreadable; "" if there are others."""
    count = len(found.bad_images)
    if not count or not isinstance(content, dict) or count < len(content["images"]):
        return ""
    problem = "is" if found.findings["missing images"].count else "can be read"
    return f"none of the {count} images {problem} below {images}: check --images"
