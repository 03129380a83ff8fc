"""Provenance of detections: everything they depend on, so that no others are mixed with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager

END = 1 << 20  # bytes


def model_provenance(cfg: CfgNode) -> dict[str, str]:
    """Everything that detections depend on, but for the frames they are detected in.

    How many frames are computed at once is a matter of memory and time.
    """
    provenance = {"weights (sha256)": sha256(cfg.MODEL.WEIGHTS)}
    for key, value in flattened(cfg).items():
        if key.startswith(("MODEL.", "INPUT.")) and not key.endswith("_AT_ONCE"):
            provenance[key] = repr(value)
    provenance["TEST.DETECTIONS_PER_IMAGE"] = repr(cfg.TEST.DETECTIONS_PER_IMAGE)
    del provenance["MODEL.WEIGHTS"]  # the file may have moved
    return provenance


def sha256(path: str) -> str:
    """SHA-256 of the content of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(PathManager.get_local_path(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def flattened(node: CfgNode, prefix: str = "") -> dict[str, object]:
    """Values of a config by their whole keys, e.g. "MODEL.WEIGHTS"."""
    values: dict[str, object] = {}
    for key, value in node.items():
        name = f"{prefix}{key}"
        values.update(flattened(value, f"{name}.") if isinstance(value, CfgNode) else {name: value})
    return values


def digest_of_input(paths: Sequence[Path]) -> str:
    """SHA-256 of the names and sizes of files; of a single one, of its first and its last MiB, too.

    A video may be too large to be read whole for that.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(os.fsencode(path.name) + b" %d\n" % path.stat().st_size)
    if len(paths) == 1:
        with open(paths[0], "rb") as file:
            digest.update(file.read(END))
            file.seek(max(paths[0].stat().st_size - END, 0))
            digest.update(file.read(END))
    return digest.hexdigest()
