"""Cost of a computation: floating-point operations and bytes moved; peak memory of processes."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

GIB = 2**30
_BAG = torch.ops.aten._embedding_bag_forward_only, torch.ops.aten._embedding_bag


@register_flop_formula(list(_BAG))
def _embedding_bag_flop(
    table_shape: Sequence[int], index_shape: Sequence[int], *args: Any, **kwargs: Any
) -> int:
    """A multiplication and an addition for each channel of each row that is gathered."""
    return 2 * index_shape[0] * table_shape[1]


if hasattr(torch.ops.mkldnn, "_linear_pointwise"):  # what LinearFast calls

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def _linear_flop(
        rows_shape: Sequence[int], weight_shape: Sequence[int], *args: Any, **kwargs: Any
    ) -> int:
        return 2 * math.prod(rows_shape) * weight_shape[0]


class CostCounter(TorchDispatchMode):
    """Counts the operations inside ``with CostCounter() as cost:``.

    Attributes:
        flops: operations of products, convolutions, attention and weighted gathers; a
            multiplication and an addition are two.
        bytes: bytes that operations read and write when nothing stays in a cache between them; for
            gathers only the rows that are read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self._flops = FlopCounterMode(display=False)

    @property
    def flops(self) -> int:
        return self._flops.get_total_flops()

    def __enter__(self) -> CostCounter:
        self._flops.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._flops.__exit__(*error)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            read = list(args)
            if func.overloadpacket in _BAG:
                read[0] = args[0][:1].expand(len(args[1]), -1)
            leaves = tree_leaves((read, out))
            tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def peak_bytes() -> int:
    """Largest resident memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
