"""Float32 at least, where autocast would compute in half precision; and autocast at test."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from .errors import InputError

# Names in configs, and the type that autocast computes in.
HALVES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
PRECISIONS = {"full": None, **HALVES}


def without_autocast(tensor: torch.Tensor) -> torch.autocast:
    """Context in which autocast of the device of a tensor is off."""
    return torch.autocast(tensor.device.type, enabled=False)


def at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or in float32 if it is of half precision."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Context in which a network computes in a precision, one of ``PRECISIONS``."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def check_precision(precision: str, device: str) -> None:
    """Raise InputError if a device does not compute in a precision of the config."""
    if precision not in PRECISIONS:
        raise InputError(
            f"MODEL.VID.TEST.PRECISION is '{precision}': use one of {', '.join(PRECISIONS)}."
        )
    if not supports_precision(precision, device):
        raise InputError(
            f"MODEL.VID.TEST.PRECISION is '{precision}', in which this machine's {device} does not "
            "compute: set it to full."
        )


def supports_precision(precision: str, device: str) -> bool:
    """Whether a device has instructions for a precision."""
    kind = torch.device(device).type
    if precision == "full" or kind not in ("cpu", "cuda"):
        return True
    if kind == "cpu":
        name = "bf16" if precision == "bfloat16" else "fp16"
        return getattr(torch.ops.mkldnn, f"_is_mkldnn_{name}_supported")()
    return precision == "float16" or torch.cuda.is_bf16_supported()
