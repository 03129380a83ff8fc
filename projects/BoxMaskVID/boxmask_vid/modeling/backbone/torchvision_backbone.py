"""Classification models of torchvision as backbones, with a channel mapper.

Input (N, 3, H, W); output ``{"c5": (N, C, H / 16, W / 16)}``.
"""

from __future__ import annotations

import math

import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import nn

from .channel_mapped_backbone import ChannelMappedBackbone
from .torchvision_features import STRIDE, Stage, build_classifier, dilate, extract, stages_of

BLOCKS_OF_A_LAYER = 3  # of the learning rate; that is how ConvNeXt counts its blocks


class TorchvisionBackbone(Backbone):
    """A classification model of torchvision up to a node of stride 16.

    Names of parameters are those of torchvision behind ``body.``.

    Attributes:
        model_name: name of the model in torchvision.
        num_layers: number of layers for layer-wise learning rates.
    """

    def __init__(self, *, name: str, node: str = "", dilated: bool = False) -> None:
        """
        Args:
            name: of the model in torchvision, e.g. "convnext_tiny".
            node: where it is cut; empty for the last stage of stride 16.
            dilated: the stages behind stride 16 are dilated instead of strided.

        Raises:
            InputError: if there is no such model or node, or it cannot have stride 16.
        """
        super().__init__()
        model = build_classifier(name)
        stages = stages_of(model, name)
        if dilated:
            dilate(model, name)
        body, output = extract(model, name, node, stages_of(model, name) if dilated else stages)
        self.model_name = name
        self.body = body
        self._output = output
        used = {module for module, _ in body.named_modules()}
        self._stages = [stage for stage in stages if stage.stride and stage.name in used]
        self._layers = _layers(self._stages, dict(model.named_modules()))
        self.num_layers = 1 + max(self._layers.values())

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.of_body(self.body(images))

    def of_body(self, output: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The output of the body, channels first."""
        maps = output["map"]
        return {"map": maps.permute(0, 3, 1, 2) if self._output.channels_last else maps}

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {"map": ShapeSpec(channels=self._output.channels, stride=STRIDE)}

    @property
    def size_divisibility(self) -> int:
        """Size of images: a multiple; windows of a Transformer are padded by the model itself."""
        return STRIDE

    def freeze(self, count: int) -> None:
        """Freeze the first stages, batch norm included, as ``ResNet.freeze`` does.

        Args:
            count: 1 for the stem, 2 for the stage of stride 4, too, 3 for that of stride 8, ...
        """
        for stage in self._stages:
            if _level(stage, self._stages) > count:
                continue
            module = self.body.get_submodule(stage.name)
            for parameter in module.parameters():
                parameter.requires_grad = False
            frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(module)
            if frozen is not module:  # a norm that is a stage of its own
                parent, _, child = stage.name.rpartition(".")
                setattr(self.body.get_submodule(parent), child, frozen)

    def layer_of(self, parameter: str) -> int:
        """Number of the layer of a parameter, which is named as in this module; 0 is the stem."""
        words = parameter.removeprefix("body.").split(".")
        names = (".".join(words[:depth]) for depth in range(len(words), 0, -1))
        return next(self._layers[name] for name in names if name in self._layers)


@BACKBONE_REGISTRY.register()
def build_torchvision_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ChannelMappedBackbone:
    """A model of ``MODEL.VID.TORCHVISION`` with the channel mapper of ``MODEL.VID.NECK``.

    Raises:
        InputError: if torchvision has no such model, or it has no node of stride 16.
    """
    options = cfg.MODEL.VID.TORCHVISION
    bottom_up = TorchvisionBackbone(name=options.NAME, node=options.NODE, dilated=options.DILATE)
    bottom_up.freeze(cfg.MODEL.BACKBONE.FREEZE_AT)
    divisibility = math.lcm(bottom_up.size_divisibility, max(cfg.INPUT.VID.SIZE_DIVISIBILITY, 1))
    return ChannelMappedBackbone(
        bottom_up=bottom_up,
        in_feature="map",
        out_channels=cfg.MODEL.VID.NECK.OUT_CHANNELS,
        size_divisibility=divisibility,
        freeze_bn_statistics=cfg.MODEL.VID.FREEZE_BN_STATISTICS,
    )


def _level(stage: Stage, stages: list[Stage]) -> int:
    """Number of a stage as in Detectron2's ResNet: 1 is the stem, 2 has stride 4, 3 has 8."""
    return 1 if stage is stages[0] or stage.stride < 4 else int(math.log2(stage.stride))


def _layers(stages: list[Stage], modules: dict[str, nn.Module]) -> dict[str, int]:
    """Layer of each block, by its name, counted as the authors of ConvNeXt count.

    The stem is layer 0; behind it every three blocks of a stage are a layer, and what makes a map
    smaller belongs to the layer behind it.
    """
    layers: dict[str, int] = {}
    number, blocks, level = 0, 0, 1
    for stage in stages:
        module = modules[stage.name]
        if _level(stage, stages) == 1:
            layers[stage.name] = 0
            continue
        if _level(stage, stages) > level:
            number, blocks, level = number + 1, 0, _level(stage, stages)
        children = list(module.named_children())
        if not children or all(not list(child.children()) for _, child in children):
            layers[stage.name] = number
            continue
        whole = not isinstance(module, nn.Sequential)
        for name in [stage.name] if whole else [f"{stage.name}.{child}" for child, _ in children]:
            if blocks == BLOCKS_OF_A_LAYER:
                number, blocks = number + 1, 0
            layers[name] = number
            blocks += 1
    return layers
