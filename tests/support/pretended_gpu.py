"""A GPU that is not there: tensors that compute on the CPU and say that they are on ``cuda:0``.

Within :class:`PretendedGpu` every function of PyTorch is seen. A call with tensors of both devices
is an error, as on a GPU, and what makes the host wait for a GPU is counted: values that Python asks
for, results whose size depends on values, and copies between the devices.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from boxmask_vid.modeling.fast import temporal_roi_align

GPU = torch.device("cuda", 0)
VALUES = ("item", "tolist", "__bool__", "__int__", "__float__", "__index__", "equal", "allclose")
SIZES = ("nonzero", "argwhere", "unique", "masked_select", "nms", "bincount", "repeat_interleave")
MOVES = ("to", "cpu", "cuda", "copy_")
OPAQUE = ("__setitem__", "copy_", "__get__", "__set__")
CUDA = {  # what torch.cuda says
    "is_available": True,
    "get_device_name": "Pretended GPU",
    "synchronize": None,
    "reset_peak_memory_stats": None,
    "max_memory_allocated": 2**30,
}
INDEXING = ("__getitem__", "__setitem__")


class OnGpu(torch.Tensor):
    """A tensor that says that it is on the GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: GPU)  # type: ignore[assignment]
    is_cuda = property(lambda self: True)  # type: ignore[assignment]
    is_cpu = property(lambda self: False)  # type: ignore[assignment]


class PretendedGpu(TorchFunctionMode):
    """Watches all calls.

    Attributes:
        waits: number of waits by their function and the line that asked for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", str(func))
        tensors = list(tensors_in((args, kwargs)))
        on_gpu = any(isinstance(tensor, OnGpu) for tensor in tensors)
        if on_gpu:
            self._check(name, args, tensors)
            self._count(name, args, kwargs)
        destination = kwargs.get("device")
        for word in args[1:] if name == "to" else ():
            if isinstance(word, str | torch.device):
                destination = word
        if destination is not None:
            stays = torch.device(destination).type == "cuda"
            if name == "to" and stays != on_gpu and args[0].numel():
                self._wait("copy between the devices")
            on_gpu = stays
            kwargs = {k: "cpu" if k == "device" else v for k, v in kwargs.items()}
            args = tuple("cpu" if word is destination else word for word in args)
        if name == "cpu":
            on_gpu = False
        result = func(*args, **kwargs)
        if name in OPAQUE and not isinstance(result, torch.Tensor):
            return result
        return moved(result, on_gpu)

    def checkpoint(self, function: Callable, *args: object, **kwargs: object) -> object:
        """``torch.utils.checkpoint.checkpoint``, watched when the gradient computes it again.

        PyTorch's engine turns modes like this one off, and what it keeps loses its class.
        """

        def again(*args: object) -> object:
            return function(*moved(args, True))

        return checkpoint(
            again,
            *args,
            context_fn=lambda: (nullcontext(), self),
            determinism_check="none",  # would find that the class is lost
            **kwargs,
        )

    def _check(self, name: str, args: tuple, tensors: list[torch.Tensor]) -> None:
        """A number may be anywhere, and a CPU index is copied."""
        if name in (*MOVES, "__get__", "__set__"):
            return
        if name in INDEXING and isinstance(args[0], OnGpu):
            return
        others = [t for t in tensors if not isinstance(t, OnGpu) and t.dim()]
        assert not others, f"{name}: tensors on the GPU and on the CPU; {caller()}"

    def _count(self, name: str, args: tuple, kwargs: dict) -> None:
        sized = name == "repeat_interleave" and "output_size" in kwargs
        if name in ("cpu", *VALUES, *SIZES) and not sized:
            self._wait(name)
        if name == "where" and len(args) == 1:
            self._wait("where")
        if name in INDEXING:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            for part in parts:
                if isinstance(part, list) or (isinstance(part, torch.Tensor) and part.dim()):
                    if isinstance(part, list) or not isinstance(part, OnGpu):
                        self._wait("index from the CPU")
                    elif part.dtype in (torch.bool, torch.uint8):
                        self._wait("boolean index")

    def _wait(self, what: str) -> None:
        self.waits[f"{what}; {caller()}"] += 1


def pretend(monkeypatch: pytest.MonkeyPatch) -> PretendedGpu:
    """A pretended GPU for one test: also for autocast, recomputation and ``Module.to``."""
    gpu = PretendedGpu()
    autocast, enabled = torch.autocast, torch.is_autocast_enabled
    monkeypatch.setattr(  # float16 takes CPUs minutes
        torch,
        "autocast",
        lambda kind, dtype=None, enabled=True: autocast("cpu", dtype and torch.bfloat16, enabled),
    )
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: enabled("cpu"))
    monkeypatch.setattr(temporal_roi_align, "checkpoint", gpu.checkpoint)
    for name, answer in CUDA.items():
        monkeypatch.setattr(torch.cuda, name, lambda *args, answer=answer: answer)
    to = torch.nn.Module.to

    def to_device(module: torch.nn.Module, *args: object, **kwargs: object) -> torch.nn.Module:
        return to_gpu(module) if args == (torch.device("cuda"),) else to(module, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "to", to_device)
    return gpu


def to_gpu(module: torch.nn.Module) -> torch.nn.Module:
    """Put all parameters and buffers of a module on the pretended GPU."""
    for part in module.modules():
        for name, parameter in list(part._parameters.items()):
            if parameter is not None:
                tensor = parameter.detach().as_subclass(OnGpu)
                tensor.requires_grad_(parameter.requires_grad)
                tensor._is_param = True
                part._parameters[name] = tensor
        for name, buffer in list(part._buffers.items()):
            if buffer is not None:
                part._buffers[name] = buffer.as_subclass(OnGpu)
    return module


def on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor as it is, on the CPU, without a wait."""
    with torch._C.DisableTorchFunction():
        return tensor.as_subclass(torch.Tensor)


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(part)


def moved(value: object, on_gpu: bool) -> object:
    """The value with all its tensors on the GPU, or on the CPU."""
    if isinstance(value, torch.Tensor):
        kind = OnGpu if on_gpu else torch.Tensor
        return value if isinstance(value, OnGpu) == on_gpu else value.as_subclass(kind)
    if type(value) in (list, tuple):
        return type(value)(moved(part, on_gpu) for part in value)
    if isinstance(value, tuple) and not isinstance(value, torch.Size):
        return type(value)([moved(part, on_gpu) for part in value])
    return value


def caller() -> str:
    """Innermost line of this project or of Detectron2 that asked for it.

    The structures and layers of Detectron2 and torchvision wait for the line that calls them.
    """
    for line in reversed(traceback.extract_stack()):
        name = line.filename
        if "/site-packages/detectron2/" in name and not name.split("detectron2/")[-1].startswith(
            ("structures/", "layers/")
        ):
            return f"detectron2/{name.split('detectron2/')[-1]}: {line.line}"
        if "/boxmask_vid/" in name:
            return f"{name.split('boxmask_vid/')[-1]}: {line.line}"
    return "?"
