"""Checkpoints that are written whole, and loaded only into a model that they fit."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import _IncompatibleKeys

from ..errors import InputError
from ..files import written_whole
from ..modeling.backbone import TorchvisionBackbone
from .saving import save_whole
from .zoo import (
    BACKBONE_PREFIX,
    CHECKPOINT_PREFIX,
    PREFIXES,
    find_checkpoint,
    local_file,
    split_backbone,
)


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
        save_whole(content, path)
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
        if path.startswith(BACKBONE_PREFIX):
            self._check_name(path)
        if path.startswith(PREFIXES):  # the parent would cut off what follows a question mark
            path = str(local_file(path))
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
            purpose = "" if self._needs_all else " (not even its backbone)"
            raise InputError(
                f"Checkpoint {self._path} does not fit the model{purpose}: it lacks "
                f"{len(needed)} tensors ({_shown(needed)}). {self._remedy()}"
            )
        # published weights have all that their model has, and nothing else
        foreign = [n for n in incompatible.unexpected_keys if not n.endswith("batches_tracked")]
        if self._path.startswith(BACKBONE_PREFIX):  # names for other builders, and the classifier
            incompatible.unexpected_keys.clear()
        if foreign and self._needs_all and self._path.startswith(CHECKPOINT_PREFIX):
            raise InputError(
                f"Checkpoint {self._path} does not fit the model: the model lacks {len(foreign)} "
                f"tensors ({_shown(foreign)}). {self._remedy()}"
            )
        super()._log_incompatible_keys(incompatible)

    def _check_name(self, path: str) -> None:
        """A smaller model of a family may have the names and shapes of a part of a larger one."""
        bottom_up = getattr(getattr(self.model, "backbone", None), "bottom_up", None)
        name = split_backbone(path.removeprefix(BACKBONE_PREFIX))[0]
        if isinstance(bottom_up, TorchvisionBackbone) and bottom_up.model_name != name:
            raise InputError(
                f"Checkpoint {path} does not fit the backbone {bottom_up.model_name}: change "
                "MODEL.WEIGHTS or MODEL.VID.TORCHVISION.NAME."
            )

    def _remedy(self) -> str:
        if self._path.startswith(CHECKPOINT_PREFIX):
            weights = find_checkpoint(self._path.removeprefix(CHECKPOINT_PREFIX))
            return f"Use its config {weights.config} (train_net.py and demo.py: --model)."
        return (
            "Use the config that it was trained with, or convert it with "
            "tools/convert_checkpoint.py."
        )


def _shown(names: list[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
