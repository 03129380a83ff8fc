"""Conversion of checkpoints of mmtracking and of backbones of torchvision and mmdetection."""

from __future__ import annotations

import functools
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import torch

from ..errors import InputError
from .saving import save_whole

NUM_ASPECT_RATIOS = 3  # of anchors, in all checkpoints of mmtracking

# Name in mmtracking (without "detector."): name here. {part} is any text; all others are numbers,
# of which {up} is larger by one here.
PLACES = {
    "backbone.conv1.{part}": "backbone.bottom_up.stem.conv1.{part}",
    "backbone.bn1.{part}": "backbone.bottom_up.stem.conv1.norm.{part}",
    "backbone.layer{up}.{i}.conv{j}.{part}": "backbone.bottom_up.res{up}.{i}.conv{j}.{part}",
    "backbone.layer{up}.{i}.bn{j}.{part}": "backbone.bottom_up.res{up}.{i}.conv{j}.norm.{part}",
    "backbone.layer{up}.{i}.downsample.0.{part}": "backbone.bottom_up.res{up}.{i}.shortcut.{part}",
    "backbone.layer{up}.{i}.downsample.1.{part}": (
        "backbone.bottom_up.res{up}.{i}.shortcut.norm.{part}"
    ),
    "neck.convs.0.conv.{part}": "backbone.channel_mapper.{part}",
    "rpn_head.rpn_conv.{part}": "proposal_generator.rpn_head.conv.{part}",
    "rpn_head.rpn_cls.{part}": "proposal_generator.rpn_head.objectness_logits.{part}",
    "rpn_head.rpn_reg.{part}": "proposal_generator.rpn_head.anchor_deltas.{part}",
    "roi_head.bbox_roi_extractor.embed_network.conv.{part}": (
        "roi_heads.temporal_roi_align.embed.{part}"
    ),
    "roi_head.bbox_head.shared_fcs.{up}.{part}": "roi_heads.box_head.fc{up}.{part}",
    **{
        f"roi_head.bbox_head.aggregator.{{i}}.{theirs}.{{part}}": (
            f"roi_heads.box_head.aggregators.{{i}}.{ours}.{{part}}"
        )
        for theirs, ours in (
            ("fc_embed", "query"),
            ("ref_fc_embed", "key"),
            ("ref_fc", "value"),
            ("fc", "output"),
        )
    },
    "roi_head.bbox_head.fc_cls.{part}": "roi_heads.box_predictor.cls_score.{part}",
    "roi_head.bbox_head.fc_reg.{part}": "roi_heads.box_predictor.bbox_pred.{part}",
    "roi_head.mask_head.convs.{up}.conv.{part}": "roi_heads.mask_head.mask_fcn{up}.{part}",
    "roi_head.mask_head.upsample.{part}": "roi_heads.mask_head.deconv.{part}",
    "roi_head.mask_head.conv_logits.{part}": "roi_heads.mask_head.predictor.{part}",
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


def convert_mmtracking(state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the tensors of a state dict.

    Anchors are numbered by aspect ratio first in mmtracking and by size first here, so the channels
    of the RPN that belong to anchors are reordered. The tensors of ``UNUSED`` are dropped.

    Args:
        state_dict: state dict of a SELSA, Temporal RoI Align or BoxMask model of mmtracking, or of
            a ResNet or ResNeXt of torchvision or mmdetection.

    Returns:
        the state dict of a model of BoxMaskVID, or of its backbone.

    Raises:
        InputError: if a tensor has no counterpart here.
    """
    converted, unknown = {}, []
    for name, tensor in state_dict.items():
        theirs = name.removeprefix("detector.")
        if re.match(r"conv1\.|bn1\.|layer\d\.|fc\.", theirs):  # a backbone alone
            theirs = f"backbone.{theirs}"
        if theirs in UNUSED:
            continue
        ours = _place(theirs)
        if ours is None:
            unknown.append(name)
        else:
            converted[ours] = _by_size_first(ours, tensor)
    if unknown:
        raise InputError(f"The models here have no counterpart of {_listed(unknown)}.")
    for name in list(converted):  # older versions did not count batches
        if name.endswith(".running_mean"):
            count = name.replace("running_mean", "num_batches_tracked")
            converted.setdefault(count, torch.tensor(0))
    return converted


def convert_checkpoint(source: Path, target: Path, model: torch.nn.Module) -> int:
    """Convert a file for a model.

    Args:
        source: a checkpoint that ``torch.save`` wrote; nothing in it is executed.
        target: file to write; replaced in one step.
        model: the model that it must fit; a backbone alone must fit the backbone of the model.

    Returns:
        the number of tensors.

    Raises:
        InputError: if the source cannot be read, has a tensor without a counterpart, lacks one of
            the model, or has one of another shape (all are listed); if the target cannot be
            written.
        FileNotFoundError: if the source does not exist.
    """
    try:
        converted = convert_mmtracking(_read(source))
    except InputError as error:
        raise InputError(f"Checkpoint {source} cannot be converted: {error}") from error
    expected = model.state_dict()
    if all(name.startswith(BACKBONE) for name in converted):
        expected = {name: t for name, t in expected.items() if name.startswith(BACKBONE)}
    missing = [name for name in expected if name not in converted]
    unexpected = [name for name in converted if name not in expected]
    misshapen = [
        f"{name} (checkpoint {tuple(converted[name].shape)}, model {tuple(tensor.shape)})"
        for name, tensor in expected.items()
        if name in converted and converted[name].shape != tensor.shape
    ]
    problems = [
        f"{problem} {_listed(names)}"
        for problem, names in (
            ("it lacks", missing),
            ("the model lacks", unexpected),
            ("of another shape are", misshapen),
        )
        if names
    ]
    if problems:
        raise InputError(
            f"Checkpoint {source} does not fit this config: {'; '.join(problems)}; use the config "
            "that it was trained with."
        )
    save_whole({"model": converted}, target)
    return len(converted)


def _read(source: Path) -> dict[str, torch.Tensor]:
    if not source.is_file():
        raise FileNotFoundError(f"Checkpoint {source} not found: check the path.")
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"it is not a file of plain tensors ({reason}).") from error
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not content:
        raise InputError("it has no state dict.")
    if not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise InputError("its state dict has entries that are not tensors.")
    return content


def _place(theirs: str) -> str | None:
    for pattern, ours in _patterns():
        if match := pattern.fullmatch(theirs):
            fields = match.groupdict()
            if "up" in fields:
                fields["up"] = int(fields["up"]) + 1
            return ours.format(**fields)
    return None


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    def group(field: re.Match) -> str:
        return f"(?P<{field[1]}>{'.+' if field[1] == 'part' else '[0-9]+'})"

    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", group, re.escape(theirs))), ours)
        for theirs, ours in PLACES.items()
    ]


def _by_size_first(ours: str, tensor: torch.Tensor) -> torch.Tensor:
    """Tensor with the channels of anchors in the order of Detectron2; others as they are."""
    values = {"objectness_logits": 1, "anchor_deltas": 4}.get(ours.split(".")[-2])
    if values is None:
        return tensor
    by_ratio = tensor.view(NUM_ASPECT_RATIOS, -1, values, *tensor.shape[1:])
    return by_ratio.transpose(0, 1).reshape(tensor.shape)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}: {', '.join(names)}"
