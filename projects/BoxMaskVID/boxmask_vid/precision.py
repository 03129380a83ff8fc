"""Float32 at least, where autocast would compute in half precision."""

from __future__ import annotations

import torch


def without_autocast(tensor: torch.Tensor) -> torch.autocast:
    """Context in which autocast of the device of a tensor is off."""
    return torch.autocast(tensor.device.type, enabled=False)


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or in float32 if it is of half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
