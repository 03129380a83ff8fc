"""Conversion of checkpoints of mmtracking and of backbones of torchvision and mmdetection."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..modeling.backbone import TorchvisionBackbone
from .reading import read_weights
from .saving import save_whole

NUM_ASPECT_RATIOS = 3  # of anchors, in all checkpoints of mmtracking

# Beginning of a name in mmtracking (without "detector."): beginning of the name here. Fields are
# numbers, of which {up} is larger by one here.
PLACES = {
    "backbone.conv1": "backbone.bottom_up.stem.conv1",
    "backbone.bn1": "backbone.bottom_up.stem.conv1.norm",
    "backbone.layer{up}.{i}.conv{j}": "backbone.bottom_up.res{up}.{i}.conv{j}",
    "backbone.layer{up}.{i}.bn{j}": "backbone.bottom_up.res{up}.{i}.conv{j}.norm",
    "backbone.layer{up}.{i}.downsample.0": "backbone.bottom_up.res{up}.{i}.shortcut",
    "backbone.layer{up}.{i}.downsample.1": "backbone.bottom_up.res{up}.{i}.shortcut.norm",
    "neck.convs.0.conv": "backbone.channel_mapper",
    "rpn_head.rpn_conv": "proposal_generator.rpn_head.conv",
    "rpn_head.rpn_cls": "proposal_generator.rpn_head.objectness_logits",
    "rpn_head.rpn_reg": "proposal_generator.rpn_head.anchor_deltas",
    "roi_head.bbox_roi_extractor.embed_network.conv": "roi_heads.temporal_roi_align.embed",
    "roi_head.bbox_head.shared_fcs.{up}": "roi_heads.box_head.fc{up}",
    "roi_head.bbox_head.aggregator.{i}.fc_embed": "roi_heads.box_head.aggregators.{i}.query",
    "roi_head.bbox_head.aggregator.{i}.ref_fc_embed": "roi_heads.box_head.aggregators.{i}.key",
    "roi_head.bbox_head.aggregator.{i}.ref_fc": "roi_heads.box_head.aggregators.{i}.value",
    "roi_head.bbox_head.aggregator.{i}.fc": "roi_heads.box_head.aggregators.{i}.output",
    "roi_head.bbox_head.fc_cls": "roi_heads.box_predictor.cls_score",
    "roi_head.bbox_head.fc_reg": "roi_heads.box_predictor.bbox_pred",
    "roi_head.mask_head.convs.{up}.conv": "roi_heads.mask_head.mask_fcn{up}",
    "roi_head.mask_head.upsample": "roi_heads.mask_head.deconv",
    "roi_head.mask_head.conv_logits": "roi_heads.mask_head.predictor",
}
UNUSED = (
    # no RoI of the mask branch ever passes through this layer
    "roi_head.mask_roi_extractor.embed_network.conv.weight",
    "roi_head.mask_roi_extractor.embed_network.conv.bias",
    # the ImageNet classifier of a backbone
    "backbone.fc.weight",
    "backbone.fc.bias",
)
BACKBONE = "backbone.bottom_up."
LISTED = 5  # names of tensors in a message


def convert_mmtracking(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the tensors of a state dict to those of BoxMaskVID, or of its backbone.

    Anchors are numbered by aspect ratio first in mmtracking and by size first here, so the channels
    of the RPN that belong to anchors are reordered. The tensors of ``UNUSED`` are dropped.

    Args:
        state_dict: state dict of a SELSA, Temporal RoI Align or BoxMask model of mmtracking, or of
            a ResNet or ResNeXt of torchvision or mmdetection.

    Raises:
        InputError: if a tensor has no counterpart here.
    """
    converted, unknown = {}, []
    for name, tensor in state_dict.items():
        theirs = _full_name(name)
        if ours := _place(theirs):
            converted[ours] = _by_size_first(ours, tensor)
        elif theirs not in UNUSED:
            unknown.append(name)
    if unknown:
        raise InputError(f"The models here have no counterpart of {_listed(unknown)}.")
    for name in list(converted):  # older versions did not count batches
        if name.endswith(".running_mean"):
            count = name.replace("running_mean", "num_batches_tracked")
            converted.setdefault(count, torch.tensor(0))
    return converted


def is_of_mmtracking(names: Collection[str]) -> bool:
    """Whether most tensors have names that :func:`convert_mmtracking` knows."""
    known = sum(bool(_place(_full_name(name))) for name in names)
    return 2 * known > len(names)


def convert_checkpoint(source: Path, target: Path, model: torch.nn.Module) -> int:
    """Convert a file for a model; return the number of tensors.

    Nothing in ``source``, a checkpoint that ``torch.save`` wrote, is executed; ``target`` is
    replaced in one step. A backbone alone must fit the backbone of the model, one of torchvision
    the whole of torchvision's model.

    Raises:
        InputError: if the source cannot be read, has a tensor without a counterpart, lacks one of
            the model, or has one of another shape; if the target cannot be
            written.
        FileNotFoundError: if the source does not exist.
    """
    bottom_up = getattr(getattr(model, "backbone", None), "bottom_up", None)
    if isinstance(bottom_up, TorchvisionBackbone):
        from .torchvision import convert_torchvision_file

        return convert_torchvision_file(source, target, bottom_up.model_name)
    content = read_weights(source)
    try:
        state_dict = _state_dict(content)
        if state_dict.keys() == model.state_dict().keys():
            raise InputError("it is already in this project's names: use it as MODEL.WEIGHTS.")
        converted = convert_mmtracking(state_dict)
    except InputError as error:
        raise InputError(f"Checkpoint {source} cannot be converted: {error}") from error
    expected = model.state_dict()
    if all(name.startswith(BACKBONE) for name in converted):
        expected = {name: t for name, t in expected.items() if name.startswith(BACKBONE)}
    try:
        check_tensors(converted, expected, "the model")
    except InputError as error:
        raise InputError(
            f"Checkpoint {source} does not fit this config: {error}; use the config that it was "
            "trained with."
        ) from error
    save_whole({"model": converted}, target)
    return len(converted)


def check_tensors(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], model: str
) -> None:
    """Raise InputError, with a list, if these are not the tensors of a model.

    Args:
        found: tensors of a checkpoint.
        expected: those of the model.
        model: words for the model.
    """
    problems = {
        "it lacks": [name for name in expected if name not in found],
        f"{model} lacks": [name for name in found if name not in expected],
        "of another shape are": [
            f"{name} (checkpoint {tuple(found[name].shape)}, model {tuple(tensor.shape)})"
            for name, tensor in expected.items()
            if name in found and found[name].shape != tensor.shape
        ],
    }
    listed = [f"{problem} {_listed(names)}" for problem, names in problems.items() if names]
    if listed:
        raise InputError("; ".join(listed))


def read_state_dict(source: Path) -> dict[str, torch.Tensor]:
    """Tensors of a file that ``torch.save`` wrote; nothing in it is executed.

    Raises:
        InputError: if it is no checkpoint.
        FileNotFoundError: if it does not exist.
    """
    return _state_dict(read_weights(source))


def _state_dict(content: Any) -> dict[str, torch.Tensor]:
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not content:
        raise InputError("it has no state dict.")
    if not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise InputError("its state dict has entries that are not tensors.")
    return content


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[0-9]+)", re.escape(theirs)) + r"(\..+)"), ours)
        for theirs, ours in PLACES.items()
    ]


def _full_name(name: str) -> str:
    """Name with the part of the model that it belongs to."""
    name = name.removeprefix("detector.")
    backbone_alone = re.match(r"conv1\.|bn1\.|layer\d\.|fc\.", name)
    return f"backbone.{name}" if backbone_alone else name


def _place(theirs: str) -> str | None:
    for pattern, ours in _patterns():
        if match := pattern.fullmatch(theirs):
            fields = match.groupdict()
            if "up" in fields:
                fields["up"] = str(int(fields["up"]) + 1)
            return ours.format(**fields) + match.groups()[-1]
    return None


def _by_size_first(ours: str, tensor: torch.Tensor) -> torch.Tensor:
    """Tensor with the channels of anchors in the order of Detectron2; others as they are."""
    values = {"objectness_logits": 1, "anchor_deltas": 4}.get(ours.split(".")[-2])
    if values is None:
        return tensor
    by_ratio = tensor.view(NUM_ASPECT_RATIOS, -1, values, *tensor.shape[1:])
    return by_ratio.transpose(0, 1).reshape(tensor.shape)


def _listed(names: list[str]) -> str:
    """The number of names, and the first few."""
    more = ", ..." if len(names) > LISTED else ""
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}: {', '.join(names[:LISTED])}{more}"
