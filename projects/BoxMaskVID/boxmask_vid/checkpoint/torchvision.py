"""Conversion of weights of torchvision's classification models to backbones."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from ..errors import InputError
from ..modeling.backbone import build_classifier
from .mmtracking import BACKBONE, check_tensors, convert_mmtracking, read_state_dict
from .saving import save_whole

BODY = f"{BACKBONE}body."  # of TorchvisionBackbone
# Names of DenseNet in files that are older than torchvision's own.
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


def convert_torchvision(state_dict: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    """Rename the tensors of a classification model to those of its backbones here.

    The names of ``build_torchvision_backbone``; for a ResNet also those of Detectron2's, for the
    same tensors.

    Args:
        state_dict: of the whole model.
        name: of the model in torchvision.

    Raises:
        InputError: if these are not the tensors of that model.
    """
    state_dict = {OLD_DENSENET.sub(r"\1\2.", key): tensor for key, tensor in state_dict.items()}
    expected = build_classifier(name).state_dict()
    for key, tensor in expected.items():  # older versions did not count batches
        if key.endswith(".num_batches_tracked"):
            state_dict.setdefault(key, torch.zeros_like(tensor))
    check_tensors(state_dict, expected, f"torchvision's {name}")
    converted = {f"{BODY}{key}": tensor for key, tensor in state_dict.items()}
    if "layer1.0.conv1.weight" in state_dict:
        converted |= convert_mmtracking(state_dict)
    return converted


def convert_torchvision_file(source: Path, target: Path, name: str) -> int:
    """Convert a file of a classification model; return the number of tensors.

    Nothing in ``source`` is executed; ``target`` is replaced in one step.

    Raises:
        InputError: if the source cannot be read or is of another model, or the target cannot be
            written.
        FileNotFoundError: if the source does not exist.
    """
    try:
        converted = convert_torchvision(read_state_dict(source), name)
    except InputError as error:
        raise InputError(f"Checkpoint {source} cannot be converted: {error}") from error
    save_whole({"model": converted}, target)
    return len(converted)
