"""File formats of graphs: how to write them and how to run them."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from ...errors import InputError
from .graphs import Graph

# The first one with RoIAlign's shift by half a cell. With an older one (Detectron2's default is 11)
# boxes are wrong, and only a warning of the exporter says so.
OPSET = 16

Function = Callable[[Sequence[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class Format:
    """File format of a graph."""

    suffix: str  # of the file
    packages: tuple[str, ...]  # that it needs besides PyTorch
    save: Callable[[Graph], bytes]  # from a graph to the content of the file
    load: Callable[[bytes], Function]  # from the content to a function that runs it on the CPU

    def check_packages(self) -> None:
        """Raise InputError if one of the packages is not installed."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise InputError(
                f"{self.suffix} files need {' and '.join(missing)} to be written and checked: run "
                f"'pip install -c constraints.txt {' '.join(missing)}'."
            )


def _save_torchscript(graph: Graph) -> bytes:
    content = io.BytesIO()
    with _quietly():
        # PyTorch would check the trace on the same input; the command checks it on others
        traced = torch.jit.trace(graph.module, graph.module.flattened_inputs, check_trace=False)
        torch.jit.save(traced, content)
    return content.getvalue()


def _load_torchscript(content: bytes) -> Function:
    with _quietly():
        module = torch.jit.load(io.BytesIO(content))

    @torch.no_grad()
    def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return list(module(*inputs))

    return run


def _save_onnx(graph: Graph) -> bytes:
    ports = [*graph.inputs, *graph.outputs]
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "graph.onnx")
        torch.onnx.export(
            graph.module,
            graph.module.flattened_inputs,
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[port.name for port in graph.inputs],
            output_names=[port.name for port in graph.outputs],
            dynamic_axes={port.name: port.free_axes for port in ports},
        )
        return path.read_bytes()


def _load_onnx(content: bytes) -> Function:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # no warnings about shapes in a loop, which it guesses
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]

    def run(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        arrays = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, arrays)]

    return run


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence warnings: of Python numbers in a trace (the command checks it) and of TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FORMATS = {
    "torchscript": Format(".ts", (), _save_torchscript, _load_torchscript),
    "onnx": Format(".onnx", ("onnx", "onnxruntime"), _save_onnx, _load_onnx),
}
