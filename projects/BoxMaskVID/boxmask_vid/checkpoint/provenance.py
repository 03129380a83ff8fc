"""What detections were made with, so that no others are mixed with them."""

from __future__ import annotations

import hashlib

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager


def model_origin(cfg: CfgNode) -> dict[str, str]:
    """All that detections depend on, but for what they are detected in."""
    made_by = {"weights (sha256)": sha256(cfg.MODEL.WEIGHTS)}
    for node in ("MODEL", "INPUT"):
        made_by.update(_values(cfg[node], node))
    made_by["TEST.DETECTIONS_PER_IMAGE"] = repr(cfg.TEST.DETECTIONS_PER_IMAGE)
    del made_by["MODEL.WEIGHTS"]  # the file may have moved
    return made_by


def sha256(path: str) -> str:
    """Of the content of a file."""
    digest = hashlib.sha256()
    with open(PathManager.get_local_path(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _values(node: CfgNode, prefix: str) -> dict[str, str]:
    values = {}
    for key, value in node.items():
        name = f"{prefix}.{key}"
        values.update(_values(value, name) if isinstance(value, CfgNode) else {name: repr(value)})
    return values
