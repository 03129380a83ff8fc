"""Checkpoints that are written whole, and loaded only into a model that they fit."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import _IncompatibleKeys

from ..errors import InputError
from ..files import written_whole


class VIDCheckpointer(DetectionCheckpointer):
    """``DetectionCheckpointer`` that writes files whole and refuses weights of another model.

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
        """Save the model, what belongs to it and ``kwargs`` to ``name.pth``, whole or not at all.

        Raises InputError if there is no room or no right to write.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        states = {key: part.state_dict() for key, part in self.checkpointables.items()}
        content = {"model": self.model.state_dict(), **states, **kwargs}
        path = Path(self.save_dir, f"{name}.pth")
        self.logger.info(f"Saving checkpoint to {path}")
        with written_whole(path) as unfinished, open(unfinished, "wb") as file:
            torch.save(content, file)
        self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        with written_whole(Path(self.save_dir, "last_checkpoint")) as unfinished:
            unfinished.write_text(last_filename_basename)

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict:
        """Load a checkpoint as the parent does.

        Raises FileNotFoundError without the file, InputError if the weights do not fit the model.
        """
        self._path = path
        self._needs_all = self.require_all or checkpointables is None  # None: to resume a training
        if path and "://" not in path and not os.path.isfile(path):
            raise FileNotFoundError(f"Checkpoint {path} not found: check MODEL.WEIGHTS.")
        return super().load(path, checkpointables)

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        lacking = {
            name: f"{name} (checkpoint {tuple(found)}, model {tuple(expected)})"
            for name, found, expected in incompatible.incorrect_shapes
        }
        for name in incompatible.missing_keys:
            lacking.setdefault(name, name)
        needed = [
            text
            for name, text in lacking.items()
            if self._needs_all or name.startswith("backbone.bottom_up.")
        ]
        if needed:
            shown = ", ".join(needed[:20]) + (", ..." if len(needed) > 20 else "")
            purpose = "" if self._needs_all else " (not even its backbone)"
            raise InputError(
                f"Checkpoint {self._path} does not fit the model{purpose}: it lacks "
                f"{len(needed)} tensors ({shown}). Use the config that it was trained with, or "
                "convert it with tools/convert_checkpoint.py."
            )
        super()._log_incompatible_keys(incompatible)
