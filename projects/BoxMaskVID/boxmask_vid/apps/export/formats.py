"""Graphs as files, and files as functions."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from ...errors import InputError
from .graphs import Graph

# RoIAlign's shift by half a cell exists from here on. With an older one (Detectron2's default is
# 11) boxes are wrong, and nothing but a warning of the exporter says so.
OPSET = 16

Function = Callable[[Sequence[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class Format:
    """How a graph is written and read.

    Attributes:
        suffix: of the file.
        packages: that it takes, beside PyTorch.
        save: the content of the file.
        load: what runs the content on the CPU.
    """

    suffix: str
    packages: tuple[str, ...]
    save: Callable[[Graph], bytes]
    load: Callable[[bytes], Function]

    def check_packages(self) -> None:
        """
        Raises:
            InputError: if one of the packages is missing.
        """
        missing = [each for each in self.packages if find_spec(each) is None]
        if missing:
            raise InputError(
                f"Writing and checking {self.suffix} files takes {' and '.join(missing)}: run "
                f"'pip install -c constraints.txt {' '.join(missing)}'."
            )


def _save_torchscript(graph: Graph) -> bytes:
    content = io.BytesIO()
    with _quietly():
        # the check of the trace would run it on the same input once more; ours uses other ones
        traced = torch.jit.trace(graph.module, graph.module.flattened_inputs, check_trace=False)
        torch.jit.save(traced, content)
    return content.getvalue()


def _load_torchscript(content: bytes) -> Function:
    with _quietly():
        module = torch.jit.load(io.BytesIO(content))

    def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        with torch.no_grad():
            found = module(*inputs)
        return list(found)

    return run


def _save_onnx(graph: Graph) -> bytes:
    content = io.BytesIO()
    ports = [*graph.inputs, *graph.outputs]
    with _quietly():
        torch.onnx.export(
            graph.module,
            graph.module.flattened_inputs,
            content,
            dynamo=False,
            opset_version=OPSET,
            input_names=[port.name for port in graph.inputs],
            output_names=[port.name for port in graph.outputs],
            dynamic_axes={port.name: port.free_axes for port in ports},
        )
    return content.getvalue()


def _load_onnx(content: bytes) -> Function:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # no warnings of shapes in a loop that it had guessed
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        arrays = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
        return [torch.from_numpy(each) for each in session.run(None, arrays)]

    return run


@contextmanager
def _quietly() -> Iterator[None]:
    """Tracing warns of every Python number; whether one is wrong is what the check finds out.

    PyTorch also announces what it wants to have in the place of TorchScript.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FORMATS = {
    "torchscript": Format(".ts", (), _save_torchscript, _load_torchscript),
    "onnx": Format(".onnx", ("onnx", "onnxruntime"), _save_onnx, _load_onnx),
}
