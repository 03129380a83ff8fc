"""Files in mmtracking's format of tiny models, and a server that has them, with all its whims."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from detectron2.modeling import build_model

from boxmask_vid.checkpoint import convert_mmtracking
from boxmask_vid.checkpoint.zoo import CHECKPOINTS, Weights, local_file
from support.paths import GOLDEN
from support.tiny_models import tiny_cfg, tiny_config

NAME = "boxmask_vid://selsa_tiny"
KEYS = json.loads((GOLDEN / "state_dict_keys.json").read_text())


def theirs(kind: str) -> dict[str, torch.Tensor]:
    """Random tensors of a tiny model, "selsa" or "troi", under their names in mmtracking."""
    torch.manual_seed(0)
    ours = build_model(tiny_cfg(kind)).state_dict()
    tensors = {}
    for key, shape in KEYS[kind]["keys"].items():
        name = next(iter(convert_mmtracking({key: torch.empty(shape, device="meta")})), None)
        tensors[key] = torch.zeros(3) if name is None else ours[name]  # None: unused here
    return tensors


def published(kind: str, address: str = "http://nowhere.invalid") -> tuple[Weights, bytes]:
    """Table entry ``KIND_tiny_DC5_7e`` and the file that it names."""
    file = io.BytesIO()
    torch.save({"meta": {"epoch": 7}, "state_dict": theirs(kind)}, file)
    content = file.getvalue()
    name = f"{kind}_tiny_20201227_204835-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    return Weights(f"{kind}_tiny_DC5_7e", f"{address}/{name}", tiny_config(kind)), content


def tensors(path: str | Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


def assert_converted(path: str | Path, kind: str = "selsa") -> None:
    expected, found = convert_mmtracking(theirs(kind)), tensors(path)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def names_in(folder: Path) -> list[str]:
    """Files but for locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def fetch(weights: Weights) -> Path:
    """Fetch in another process, which does not know the tiny model."""
    CHECKPOINTS[weights.name] = weights
    return local_file(f"boxmask_vid://{weights.name}")


class FileServer(ThreadingHTTPServer):
    """A server on this machine.

    Attributes:
        files: content by name.
        requests: (name, value of Range or "") of all requests.
        ranges: whether a part of a file can be had.
        breaks: bytes after which the next connections end, in turn.
        stall: whether a connection of ``breaks`` stays open without another byte, instead.
        lengths: whether Content-Length is sent.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.requests: list[tuple[str, str]] = []
        self.ranges, self.lengths, self.stall = True, True, False
        self.breaks: list[int] = []
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        asked = self.headers.get("Range", "")
        self.server.requests.append((name, asked))
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.server.breaks:
            self.wfile.write(content[start : start + self.server.breaks.pop(0)])
            if self.server.stall:
                self.server.closing.wait()
        else:
            self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(files: dict[str, bytes]):
    """A :class:`FileServer` until the block ends."""
    server = FileServer(files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
