"""Checkpoints that are written whole and loaded with care."""

from __future__ import annotations

import os

import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import _IncompatibleKeys

from ..errors import InputError

UNFINISHED = ".unfinished"


class VIDCheckpointer(DetectionCheckpointer):
    """``DetectionCheckpointer`` that replaces files in one step and refuses foreign weights.

    Weights that lack a layer of the model are an error at evaluation (``require_all``) and when a
    training is resumed. At the start of a training the heads may be missing, as in a backbone that
    was trained on ImageNet; the backbone may not: training would start from noise.
    """

    def __init__(
        self, model: torch.nn.Module, save_dir: str = "", *, require_all: bool = False, **kwargs
    ) -> None:
        super().__init__(model, save_dir, **kwargs)
        self.require_all = require_all

    def save(self, name: str, **kwargs) -> None:
        super().save(f"{name}{UNFINISHED}", **kwargs)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Called by ``save`` when the file is complete."""
        name = last_filename_basename.replace(UNFINISHED, "")
        os.replace(
            os.path.join(self.save_dir, last_filename_basename), os.path.join(self.save_dir, name)
        )
        tag = os.path.join(self.save_dir, "last_checkpoint")
        with open(f"{tag}{UNFINISHED}", "w") as file:
            file.write(name)
        os.replace(f"{tag}{UNFINISHED}", tag)

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict:
        """
        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if the weights do not fit the model, with the layers that are missing.
        """
        self._path = path
        self._needs_all = self.require_all or checkpointables is None  # None: a training goes on
        if path and "://" not in path and not os.path.isfile(path):
            raise FileNotFoundError(f"There is no checkpoint {path}: check MODEL.WEIGHTS.")
        return super().load(path, checkpointables)

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        wrong_shape = [
            f"{name} (checkpoint {tuple(found)}, model {tuple(expected)})"
            for name, found, expected in incompatible.incorrect_shapes
        ]
        misshapen = {name for name, _, _ in incompatible.incorrect_shapes}
        missing = [name for name in incompatible.missing_keys if name not in misshapen]
        lacking = [*wrong_shape, *missing]
        needed = [name for name in lacking if self._needs_all or _is_backbone(name)]
        if needed:
            shown = ", ".join(needed[:20]) + (", ..." if len(needed) > 20 else "")
            purpose = "" if self._needs_all else " (not even its backbone)"
            raise InputError(
                f"The checkpoint {self._path} does not fit the model{purpose}: it lacks "
                f"{len(needed)} tensors ({shown}). Use the config that it was trained with, or "
                "convert it with tools/convert_checkpoint.py."
            )
        super()._log_incompatible_keys(incompatible)


def _is_backbone(name: str) -> bool:
    return name.startswith("backbone.bottom_up.")
