"""Backbones of torchvision without a pass for batch norm.

Halves the time of MobileNetV3 on a CPU, whose convolutions have few operations (docs/SPEED.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torchvision.ops.misc import Conv2dNormActivation

from ..backbone import TorchvisionBackbone
from .folded_norm_conv import is_batch_norm, uses_stored_statistics


class TorchvisionBackboneFast(TorchvisionBackbone):
    """``TorchvisionBackbone`` whose convolutions do what their batch norms do, without gradients.

    Weights are folded at every pass: that takes less time than to find out whether they have
    changed, and no memory.
    """

    body: Any  # a GraphModule
    _folded: Any = None  # the same with other nodes

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.training or torch.is_grad_enabled() or torch.jit.is_tracing():
            return super().forward(images)
        if self._folded is None:
            # not a child: its modules are those of the body
            self.__dict__["_folded"] = _folded(self.body)
        return self.of_body(self._folded(images))

    # what may exchange modules, parameters or buffers:

    def train(self, mode: bool = True) -> TorchvisionBackboneFast:
        self.__dict__["_folded"] = None
        super().train(mode)
        return self

    def _apply(self, fn: Callable, recurse: bool = True) -> TorchvisionBackboneFast:
        self.__dict__["_folded"] = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any) -> None:
        self.__dict__["_folded"] = None
        super()._load_from_state_dict(*args)


class _ConvAndNorm(nn.Module):
    conv: Any  # nn.Conv2d
    norm: Any  # a batch norm

    def __init__(self, conv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        conv, norm = self.conv, self.norm
        if not uses_stored_statistics(norm):
            return norm(conv(x))
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        mean = norm.running_mean if conv.bias is None else norm.running_mean - conv.bias
        shift = torch.addcmul(norm.bias, mean, scale, value=-1)
        weight = conv.weight * scale[:, None, None, None]
        return F.conv2d(x, weight, shift, conv.stride, conv.padding, conv.dilation, conv.groups)


def _folded(body: fx.GraphModule) -> nn.Module:
    """The graph of the current mode, with one module for a convolution and its batch norm."""
    modules: dict[str, Any] = dict(body.named_modules())
    graph = fx.Graph()
    graph.output(graph.graph_copy(body.graph, {}))
    for node in graph.nodes:
        if node.op == "get_attr":
            modules[node.target] = _attribute(body, node.target)
        if node.op != "call_module":
            continue
        module, before = modules[node.target], node.args[0]
        parts = list(module) if isinstance(module, Conv2dNormActivation) else []
        if _is_pair(*parts[:2]):
            name = f"{node.target}_folded"
            modules[name] = nn.Sequential(_ConvAndNorm(*parts[:2]), *parts[2:])
            node.target = name
        elif before.op == "call_module" and len(before.users) == 1:
            conv = modules[before.target]
            if _is_pair(conv, module):
                name = f"{before.target}_folded"
                modules[name] = _ConvAndNorm(conv, module)
                before.target = name
                node.replace_all_uses_with(before)
                graph.erase_node(node)
    used = {node.target: modules[node.target] for node in graph.nodes if node.target in modules}
    return fx.GraphModule(used, graph).eval()


def _is_pair(conv: nn.Module | None = None, norm: nn.Module | None = None) -> bool:
    return type(conv) is nn.Conv2d and conv.padding_mode == "zeros" and is_batch_norm(norm)


def _attribute(body: nn.Module, name: str) -> Any:
    parent, _, attribute = name.rpartition(".")
    return getattr(body.get_submodule(parent), attribute)
