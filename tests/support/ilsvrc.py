"""Small ILSVRC trees on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from boxmask_vid.errors import InputError

XML = """<annotation><folder>f</folder><filename>000000</filename><size><width>64</width>
<height>48</height></size>{objects}</annotation>"""
OBJECT = """<object><trackid>{track}</trackid><name>{name}</name><bndbox><xmax>20</xmax>
<xmin>11</xmin><ymax>35</ymax><ymin>16</ymin></bndbox><occluded>1</occluded>
<generated>0</generated></object>"""


def write_tree(root: Path, lengths: dict[str, int], objects: str = "") -> None:
    """Videos of ImageNet VID, every frame with the same objects; images are empty files."""
    for name, length in lengths.items():
        for index in range(length):
            for kind, suffix, text in (("Data", "JPEG", ""), ("Annotations", "xml", XML)):
                path = root / kind / "VID" / name / f"{index:06d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.format(objects=objects))


def write_list(root: Path, name: str, *rows: str) -> None:
    """A file of ImageSets."""
    path = root / "ImageSets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def assert_refused(convert: Callable[[Path], object], root: Path, message: str) -> None:
    """Assert an error of one sentence that matches, and no JSON, not even half of one."""
    with pytest.raises(InputError, match=message) as error:
        convert(root)
    assert "\n" not in str(error.value)
    assert not list(root.rglob("*.json*"))
