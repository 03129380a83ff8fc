"""Checks and fixes of a COCO-VID JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...files import read_json, write_json
from .checks import FORM, check_content, fix_content


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
        InputError: if it is not JSON.
    """
    content = read_json(json_file)
    splits = [(str(path), read_json(path)) for path in others]
    check = partial(check_content, image_root=images, decode=decode, others=splits)
    found = check(content)
    print(f"{json_file}: {found}")
    if fixed is not None and isinstance(content, dict) and not found.findings[FORM].count:
        content, done = fix_content(content, found)
        write_json(fixed, content)
        print("\n".join(f"fixed: {sentence}" for sentence in done) or "there was nothing to fix")
        found = check(content)
        print(f"{fixed}: {found}")
    if report is not None:
        write_json(report, found.as_json())
        print(f"wrote {report}")
    return not found.count("error")
