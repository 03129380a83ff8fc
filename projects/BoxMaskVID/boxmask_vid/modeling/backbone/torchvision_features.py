"""Features of the classification models of torchvision at stride 16.

A model is traced by torchvision's own ``feature_extraction`` and cut behind a node. Its stages are
its children, with those of ``features`` (of ``trunk_output``, of ``layers``) in place of that one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from ...errors import InputError, suggestion

STRIDE = 16  # pixels for each cell of the map
CONTAINERS = "features", "trunk_output", "layers"
# Odd multiples of 16, so that a stride of 32 shows, and different, so that the order of axes does.
PROBED_SIZE = 80, 112
KEY = "MODEL.VID.TORCHVISION"
_TRANSFORMING = "googlenet", "inception_v3"


@dataclass(frozen=True)
class Stage:
    """A part of a model.

    Attributes:
        name: name of the module.
        stride: pixels for each cell of its map; 0 if it is no whole number, or no map.
        channels: of the map.
        channels_last: whether the map is (N, h, w, C).
    """

    name: str
    stride: int
    channels: int = 0
    channels_last: bool = False


def build_classifier(name: str) -> nn.Module:
    """A classification model of torchvision with random weights.

    Raises:
        InputError: if torchvision has none of that name; the message has the closest names.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise InputError(
            f"{KEY}.NAME is '{name}', torchvision has no such classification model: "
            f"{suggestion(name, names)}"
        )
    # as with torchvision's weights: images are normalised as for all other models
    options = {"init_weights": True, "transform_input": True} if name in _TRANSFORMING else {}
    return torchvision.models.get_model(name, weights=None, **options)


def stages_of(model: nn.Module, name: str) -> list[Stage]:
    """The stages of a model in the order of execution.

    Raises:
        InputError: if the model takes only images of one size.
    """
    parts: list[tuple[str, nn.Module]] = []
    for child, module in model.named_children():
        inner = module.named_children() if child in CONTAINERS else ()
        parts += [(f"{child}.{part}", block) for part, block in inner] or [(child, module)]
    found: list[Stage] = []
    handles = [
        module.register_forward_hook(
            lambda _, __, output, stage=stage: found.append(_stage(stage, output))
        )
        for stage, module in parts
    ]
    try:
        _probe(model)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"{KEY}.NAME is '{name}', which takes images of one size only: choose a model of "
            "convolutions, or a Swin Transformer."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return found


def dilate(model: nn.Module, name: str) -> None:
    """Give the stages behind stride 16 stride 1 and a dilation of 2, as in ResNet DC5.

    Raises:
        InputError: if the model cannot be dilated: if something else than a convolution has the
            stride, or there is nothing to be dilated.
    """
    stages = stages_of(model, name)
    strided = [stage.name for stage in stages if stage.stride > STRIDE]
    for stage in strided:
        for conv in model.get_submodule(stage).modules():
            if isinstance(conv, nn.Conv2d):
                _dilate(conv)
    after = [stage.stride for stage in stages_of(model, name) if stage.name in strided]
    if not strided or set(after) != {STRIDE}:
        reason = "not every stride is one of convolutions" if strided else "no stride is above 16"
        raise InputError(
            f"{KEY}.DILATE is True, but {name} cannot be dilated ({reason}): set it to False."
        )


def extract(model: nn.Module, name: str, node: str, stages: list[Stage]) -> tuple[nn.Module, Stage]:
    """The model up to a node, which gives ``{"map": ...}``, and what the node is.

    Args:
        model: traced in training and evaluation mode.
        name: its name in torchvision.
        node: name of the node; empty for the last of ``stages`` that has stride 16.
        stages: of the model.

    Raises:
        InputError: if there is no such node, or its stride is not 16.
    """
    if not node:
        fitting = [stage.name for stage in stages if stage.stride == STRIDE]
        if not fitting:
            raise InputError(
                f"{KEY}.NAME is '{name}', which has no node of stride {STRIDE} "
                f"({_shown(stages)}): choose another model."
            )
        node = fitting[-1]
    try:
        body = create_feature_extractor(model, {node: "map"}, suppress_diff_warning=True)
    except ValueError as error:
        nodes = get_graph_node_names(model, suppress_diff_warning=True)[1]
        prefixes = {".".join(n.split(".")[:depth]) for n in nodes for depth in (1, 2, 3, 9)}
        raise InputError(
            f"{KEY}.NODE is '{node}', which {name} lacks: {suggestion(node, sorted(prefixes))}"
        ) from error
    stage = _stage(node, _probe(body)["map"])
    if stage.stride != STRIDE:
        raise InputError(
            f"{KEY}.NODE is '{node}', whose stride is {stage.stride or 'no whole number'}: it must "
            f"be {STRIDE} ({_shown(stages)})."
        )
    return body, stage


def _probe(model: nn.Module) -> dict[str, torch.Tensor]:
    """Output for an image, without a trace in the model."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(torch.zeros(1, 3, *PROBED_SIZE, device=device))
    finally:
        model.train(training)


def _stage(name: str, output: object) -> Stage:
    if not isinstance(output, torch.Tensor) or output.dim() != 4:
        return Stage(name, 0)
    shape = tuple(output.shape)
    for channels_last, axes in ((False, shape[2:]), (True, shape[1:3])):
        for stride in (2**power for power in range(6)):
            if all(
                cells in (size // stride, -(-size // stride))
                for size, cells in zip(PROBED_SIZE, axes, strict=True)
            ):
                return Stage(name, stride, shape[3 if channels_last else 1], channels_last)
    return Stage(name, 0)


def _dilate(conv: nn.Conv2d) -> None:
    """Stride 1, and twice the distance between the cells that it looks at, on a map as large."""
    height, width = conv.kernel_size
    conv.stride = 1, 1
    conv.dilation = 2 * conv.dilation[0], 2 * conv.dilation[1]
    conv.padding = conv.dilation[0] * (height - 1) // 2, conv.dilation[1] * (width - 1) // 2


def _shown(stages: list[Stage]) -> str:
    """The strides and the last stage of each."""
    last = {stage.stride: stage.name for stage in stages if stage.stride}
    if not last:
        return "no stage has a stride that is a whole number"
    return "strides: " + ", ".join(f"{stride} at {stage}" for stride, stage in last.items())
