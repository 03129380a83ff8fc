"""The command that looks after a COCO-VID JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from tabulate import tabulate

from ...config import get_config_file
from ...data import register_vid_instances
from ...engine.setup import build_cfg
from ...files import read_json, write_json
from .checks import Examination, examine, repair
from .training_samples import draw_training_samples


def check_vid_json(
    json_file: Path,
    *,
    images: Path | None,
    others: Sequence[Path] = (),
    decode: bool = True,
    report: Path | None = None,
    fixed: Path | None = None,
) -> bool:
    """Print what is wrong with a JSON, and mend what is mechanical.

    Args:
        json_file: COCO-VID JSON.
        images: image root; None to leave the images alone.
        others: JSONs of other splits, which must not share its videos.
        decode: decode every image; else only their heads are read.
        report: JSON to write the findings to.
        fixed: JSON to write the mended content to.

    Returns:
        whether it is free of errors; the mended one, if there is one.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not JSON.
    """
    content = _read(json_file)
    splits = [(str(path), _read(path)) for path in others]
    options = {"image_root": images, "decode": decode, "others": splits}
    examination = examine(content, **options)
    print(f"{json_file}: {_table(examination)}")
    if fixed is not None and not examination.findings["sections and fields"].count:
        content, done = repair(content, examination)
        write_json(fixed, content)
        print("\n".join(f"mended: {each}" for each in done) or "there was nothing to mend")
        examination = examine(content, **options)
        print(f"{fixed}: {_table(examination)}")
    if report is not None:
        write_json(report, _as_json(examination))
        print(f"wrote {report}")
    return not examination.has_errors


def draw_samples(
    json_file: Path, images: Path, output: Path, *, count: int, config_file: str | None = None
) -> list[Path]:
    """Write pictures of key and reference frames as a training sees them.

    Args:
        json_file: COCO-VID JSON that can be trained on.
        images: image root.
        output: folder for the pictures.
        count: of key frames.
        config_file: whose ``INPUT`` is used; None for that of the ImageNet VID models.

    Raises:
        InputError: if the JSON cannot be trained on.
    """
    name = f"to draw: {json_file}"
    register_vid_instances(name, {}, str(json_file), str(images))
    try:
        config = config_file or get_config_file("Base-VideoRCNN-DC5.yaml")
        cfg = build_cfg(config, ["DATASETS.TRAIN", repr((name,))])
        written = draw_training_samples(cfg, name, output, count=count)
    finally:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    print(f"wrote {len(written)} pictures to {output}")
    return written


def _read(path: Path) -> object:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}: check the path.")
    return read_json(path)


def _table(examination: Examination) -> str:
    rows = [
        ["error" if each.is_error else "warning", each.check, each.count, "\n".join(each.first)]
        for each in examination.findings.values()
        if each.count
    ]
    if not rows:
        return "nothing found"
    return "\n" + tabulate(rows, headers=["", "check", "count", "the first of them"])


def _as_json(examination: Examination) -> dict:
    findings = examination.findings.values()
    return {
        "errors": sum(each.count for each in findings if each.is_error),
        "warnings": sum(each.count for each in findings if not each.is_error),
        "findings": [
            {
                "check": each.check,
                "severity": "error" if each.is_error else "warning",
                "count": each.count,
                "first": each.first,
            }
            for each in findings
            if each.count
        ],
    }
