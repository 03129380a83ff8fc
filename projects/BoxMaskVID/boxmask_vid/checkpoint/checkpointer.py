"""Checkpoints that are written whole, and loaded only into a model that they fit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import Checkpointer, _IncompatibleKeys

from ..errors import InputError
from ..files import written_whole
from ..modeling.backbone import TorchvisionBackbone
from .architecture import config_differences
from .mmtracking import is_of_mmtracking
from .reading import read_weights
from .saving import save_whole
from .zoo import (
    BACKBONE_PREFIX,
    CHECKPOINT_PREFIX,
    PREFIXES,
    find_checkpoint,
    local_file,
    split_backbone,
)

CONVERTER = "tools/convert_checkpoint.py"
PARTS = "backbone.", "proposal_generator.", "roi_heads."  # of all models here
ONLY_IN_TRAINING = "roi_heads.mask_head."


class VIDCheckpointer(DetectionCheckpointer):
    """``DetectionCheckpointer`` that writes files whole and refuses weights of another model.

    Weights that lack a layer of the model are an error at evaluation (``require_all``) and when a
    training is resumed, and so are those with a layer that the model lacks. At the start of a
    training the heads may be missing, as in a backbone that was trained on ImageNet; the backbone
    may not: training would start from noise. Nothing in a file is executed.
    """

    def __init__(
        self, model: torch.nn.Module, save_dir: str = "", *, require_all: bool = False, **kwargs
    ) -> None:
        super().__init__(model, save_dir, **kwargs)
        self.require_all = require_all
        self._shapes: dict[str, tuple[int, ...]] = {}  # of the checkpoint that is loaded

    def save(self, name: str, *, is_last: bool = True, **kwargs) -> None:
        """Save the model, what belongs to it and ``kwargs`` to ``name.pth``, whole or not at all.

        Args:
            name: of the file, without its ending.
            is_last: whether ``last_checkpoint`` names it.
            kwargs: more content.

        Raises InputError if there is no room or no right to write, or if a tensor is not finite.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        states = {key: part.state_dict() for key, part in self.checkpointables.items()}
        content = {"model": self.model.state_dict(), **states, **kwargs}
        path = Path(self.save_dir, f"{name}.pth")
        if broken := list(not_finite(content)):
            raise InputError(
                f"The training diverged: {path.name} is not saved, because {len(broken)} tensors "
                f"({shown(broken, 3)}) have values that are not finite; lower SOLVER.BASE_LR, or "
                "clip gradients (SOLVER.CLIP_GRADIENTS)."
            )
        self.logger.info(f"Saving checkpoint to {path}")
        save_whole(content, path)
        if is_last:
            self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        with written_whole(Path(self.save_dir, "last_checkpoint")) as unfinished:
            unfinished.write_text(last_filename_basename)

    def load(self, path: str, checkpointables: list[str] | None = None) -> dict:
        """Load a checkpoint as the parent does.

        Raises FileNotFoundError without the file, InputError if it is not one, cannot be fetched or
        does not fit the model.
        """
        self._path = path
        self._parsed_url_during_load = None  # the parent keeps it after an error
        self._needs_all = self.require_all or checkpointables is None  # None: to resume a training
        check_is_there(path)
        if path.startswith(BACKBONE_PREFIX):
            self._check_name(path)
        if path.startswith(PREFIXES):
            path = str(local_file(path))
        elif "://" in path:
            path = self._fetched(path)
        # Detectron2 takes a path for an address, and cuts off what follows a question mark
        self._parsed_url_during_load = urlsplit("")
        return Checkpointer.load(self, path, checkpointables)

    def _fetched(self, address: str) -> str:
        try:
            return self.path_manager.get_local_path(address)
        except (OSError, RuntimeError, AssertionError, ValueError) as error:
            raise InputError(
                f"Checkpoint {address} cannot be fetched ({error}): check MODEL.WEIGHTS."
            ) from error

    def _load_file(self, filename: str) -> dict[str, Any]:
        if not filename.endswith((".pkl", ".pyth")):
            return super()._load_file(filename)  # which calls _torch_load
        content = self._torch_load(filename)
        if filename.endswith(".pyth"):  # of pycls
            names = content.get("model_state", {})
            weights = {n: t for n, t in names.items() if not n.endswith("batches_tracked")}
            return {"model": weights, "__author__": "pycls", "matching_heuristics": True}
        if "model" in content and "__author__" in content:  # of Detectron2
            return content
        weights = content.get("blobs", content.get("model", content))  # of Detectron or Caffe2
        weights = {name: array for name, array in weights.items() if not name.endswith("_momentum")}
        return {"model": weights, "__author__": "Caffe2", "matching_heuristics": True}

    def _torch_load(self, f: str) -> dict[str, Any]:
        content = read_weights(f)
        if not isinstance(content, dict) or not content:
            raise InputError(f"Checkpoint {self._path} has no tensors by name: use one that has.")
        if "state_dict" in content and "model" not in content:
            raise InputError(
                f"Checkpoint {self._path} has its tensors under 'state_dict', as mmtracking and "
                f"mmdetection write them: convert it with {CONVERTER}."
            )
        return content

    def _load_model(self, checkpoint: dict[str, Any]) -> _IncompatibleKeys:
        weights = checkpoint["model"]
        strange = [
            f"{name} ({type(tensor).__name__})"
            for name, tensor in (weights.items() if isinstance(weights, dict) else [("model", 0)])
            if not isinstance(tensor, (torch.Tensor, np.ndarray))
        ]
        if strange:
            raise InputError(
                f"Checkpoint {self._path} has entries in place of tensors: {shown(strange, 5)}; "
                f"use one of Detectron2, or convert one of mmtracking with {CONVERTER}."
            )
        self._shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        return super()._load_model(checkpoint)

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
                f"{len(needed)} tensors ({shown(needed)}). {self._remedy()}"
            )
        if self._path.startswith(BACKBONE_PREFIX):  # names for other builders, and the classifier
            incompatible.unexpected_keys.clear()
        foreign = list(filter(self._must_not_be_left, incompatible.unexpected_keys))
        if foreign and self._needs_all:
            raise InputError(
                f"Checkpoint {self._path} does not fit the model: the model lacks {len(foreign)} "
                f"tensors ({shown(foreign)}). {self._remedy()}"
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

    def _must_not_be_left(self, name: str) -> bool:
        """Whether a tensor that the model lacks makes it another model."""
        if name.endswith("batches_tracked"):
            return False
        if self._path.startswith(CHECKPOINT_PREFIX):
            return True  # published weights have all that their model has, and nothing else
        at_evaluation = self.require_all and name.startswith(ONLY_IN_TRAINING)
        return name.startswith(PARTS) and not at_evaluation

    def _remedy(self) -> str:
        if self._path.startswith(CHECKPOINT_PREFIX):
            weights = find_checkpoint(self._path.removeprefix(CHECKPOINT_PREFIX))
            return f"Use its config {weights.config} (train_net.py and demo.py: --model)."
        if is_of_mmtracking(self._shapes):
            return f"It has the names of mmtracking or torchvision: convert it with {CONVERTER}."
        expected = {name: tuple(t.shape) for name, t in self.model.state_dict().items()}
        if not expected.keys() & self._shapes.keys():
            return (
                f"Its {len(self._shapes)} tensors ({shown(list(self._shapes), 3)}) have names of "
                f"another project; {CONVERTER} converts those of mmtracking and torchvision."
            )
        differences = config_differences(self._shapes, expected)
        trained = f", which had {', '.join(differences)}" if differences else ""
        return f"Use the config that it was trained with{trained}."


def check_is_there(path: str) -> None:
    """Raise FileNotFoundError if ``MODEL.WEIGHTS`` is a path without a file."""
    if path and "://" not in path and not os.path.isfile(path):
        raise FileNotFoundError(f"Checkpoint {path} not found: check MODEL.WEIGHTS.")


def not_finite(content: object, name: str = "") -> Iterator[str]:
    """Names of tensors in nested dictionaries that have a value which is NaN or infinite."""
    if isinstance(content, torch.Tensor):
        if content.is_floating_point() and not torch.isfinite(content).all():
            yield name
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from not_finite(value, f"{name}.{key}" if name else str(key))


def shown(names: list[str], count: int = 20) -> str:
    """The first names of a list, for a message."""
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
