"""The door to this package."""

from __future__ import annotations

import torch
from detectron2.layers import Conv2d, ROIAlign
from torch import nn

from ...errors import InputError
from ..backbone import ChannelMappedBackbone, ChannelMapper, TorchvisionBackbone
from ..layers import TemporalROIAlign
from ..reference_encoder import ReferenceEncoder
from ..roi_heads import TemporalROIHeads
from .backbone import ChannelMappedBackboneFast
from .channel_mapper import ChannelMapperFast, WinogradChannelMapper
from .dilated_conv import DilatedConv2dFast, has_phases
from .folded_norm_conv import FoldedNormConv2d, is_batch_norm
from .linear import LinearFast
from .reference_encoder import ReferenceEncoderFast
from .roi_align import ROIAlignFast
from .temporal_roi_align import TemporalROIAlignFast
from .torchvision_backbone import TorchvisionBackboneFast

WINOGRAD_CHANNELS = 1024  # with fewer it does not pay

FAST: dict[type[nn.Module], type[nn.Module]] = {
    ChannelMappedBackbone: ChannelMappedBackboneFast,
    ReferenceEncoder: ReferenceEncoderFast,
    TorchvisionBackbone: TorchvisionBackboneFast,
}


def accelerate(model: nn.Module, device: str = "cpu") -> nn.Module:
    """Make the modules of a model fast: same parameters, same names, same output.

    Modules change their class in place. Those of a class that is not known here, e.g. derived from
    one that is, stay as they are.

    Args:
        model: any model with modules of :mod:`boxmask_vid.modeling`.
        device: that it is going to run on.

    Returns:
        ``model`` itself.
    """
    for module in model.modules():
        if type(module) in FAST:
            module.__class__ = FAST[type(module)]
        elif isinstance(module, TemporalROIHeads):
            _accelerate_heads(module)
        if isinstance(module, ChannelMappedBackboneFast):
            _accelerate_backbone(module, device)
    return model


def restore(model: nn.Module, name: str) -> None:
    """Give modules of a fast class the class that it replaces, to measure what it saves.

    Args:
        model: accelerated model.
        name: name of the class.

    Raises:
        InputError: if the model has no module of that class.
    """
    known = {type(module).__name__ for module in model.modules() if _is_fast(module)}
    if name not in known:
        raise InputError(f"'{name}' is not a fast module of this model: use {sorted(known)}.")
    for module in model.modules():
        if type(module).__name__ == name:
            module.__class__ = type(module).__mro__[1]


def _is_fast(module: nn.Module) -> bool:
    return type(module).__module__.startswith(f"{__package__}.")


def _accelerate_backbone(backbone: ChannelMappedBackboneFast, device: str) -> None:
    bottom_up: nn.Module = backbone.bottom_up
    for module in bottom_up.modules():
        if type(module) is Conv2d and is_batch_norm(module.norm):
            module.__class__ = DilatedConv2dFast if has_phases(module) else FoldedNormConv2d
    mapper = backbone.channel_mapper
    if type(mapper) is ChannelMapper:
        wide = mapper.in_channels >= WINOGRAD_CHANNELS
        mapper.__class__ = WinogradChannelMapper if wide else ChannelMapperFast
    if torch.device(device).type == "cpu":
        backbone.to(memory_format=torch.channels_last)  # weights in the order of the maps


def _accelerate_heads(heads: TemporalROIHeads) -> None:
    for module in heads.box_head.modules():
        if type(module) is nn.Linear:
            module.__class__ = LinearFast
    (roi_align,) = heads.box_pooler.level_poolers
    if type(roi_align) is not ROIAlign or not roi_align.aligned:
        return  # other poolers are not the sparse products that the fast modules are made of
    roi_align.__class__ = ROIAlignFast
    troi = heads.temporal_roi_align
    if type(troi) is TemporalROIAlign:
        TemporalROIAlignFast.replace(troi, roi_align)
