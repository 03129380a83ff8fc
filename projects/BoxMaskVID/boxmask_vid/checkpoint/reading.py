"""Files of weights, read without executing anything in them.

PyTorch's files are read with ``weights_only``. Detectron2's own ``.pkl`` files are pickles, which
can call any function: :class:`ArrayUnpickler` knows NumPy arrays and nothing else.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # PyTorch's own, before 1.6
PICKLES = b"\x80", b"(", b"}", b"c"  # of all protocols
POINTER = b"version https://git-lfs.github.com/spec/"


def read_weights(path: str | Path, *, mapped: bool = False) -> Any:
    """Content of a file of weights: PyTorch's, or a pickle of NumPy arrays, whatever its ending.

    Args:
        path: the file.
        mapped: leave the tensors of PyTorch's files on the disk, where they are read when needed.

    Raises:
        InputError: if the file is empty, cut off or damaged, a pointer of git-lfs, a web page, or
            not a file of weights; if it contains something that would have to be executed.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Checkpoint {path} not found: check MODEL.WEIGHTS.")
    with open(path, "rb") as file:
        start = file.read(512)
    _check_start(path, start)
    try:
        if start.startswith(ZIP):
            if not zipfile.is_zipfile(path):  # its directory, at the end, is missing
                raise _cut_off(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        if start.startswith(LEGACY):
            return torch.load(path, map_location="cpu", weights_only=True)
        with open(path, "rb") as file:
            return ArrayUnpickler(file, encoding="latin1").load()
    except InputError:
        raise
    except Exception as error:  # whatever damaged bytes make a decoder do
        raise _explained(path, error) from error


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of NumPy arrays in dictionaries and lists; refuses to call anything else."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 renamed the package; pickles of both versions are read by both
        known = _KNOWN.get((module.replace("numpy._core.", "numpy.core."), name))
        if known is None:
            raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")
        return known


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes of an array, as pickles of protocol 2 have them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"Unsupported encoding: {encoding!r:.20}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Bytes of an empty array, likewise."""
    return b""


_RECONSTRUCT = np.zeros(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
_FROM_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): _SCALAR,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "bytes"): _no_bytes,
}


def _check_start(path: Path, start: bytes) -> None:
    if not start.strip(b"\0"):
        what = "has zeros in place of the weights" if start else "is empty"
        raise InputError(f"Checkpoint {path} {what}: copy or download it again.")
    if start.startswith(POINTER):
        raise InputError(
            f"Checkpoint {path} is a pointer of git-lfs in place of the weights: run 'git lfs "
            "pull'."
        )
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        raise InputError(
            f"Checkpoint {path} is a web page (HTML) in place of the weights: its address was that "
            "of a page; download the file itself."
        )
    if not start.startswith((ZIP, *PICKLES)):
        raise InputError(
            f"Checkpoint {path} is not a file of weights (it starts with {start[:16]!r}): check "
            "MODEL.WEIGHTS."
        )


def _cut_off(path: Path) -> InputError:
    return InputError(
        f"Checkpoint {path} is cut off after {path.stat().st_size} bytes: copy or download it "
        "again."
    )


def _explained(path: Path, error: BaseException) -> InputError:
    reason = str(error)
    foreign = _foreign_name(reason)
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 100))
        end = file.read()
    # PyTorch takes the last character of a line away
    word = foreign.rpartition(".")[-1].encode()
    is_torn = bool(foreign) and (end.endswith(word) or end[:-1].endswith(word))
    if foreign and not is_torn:  # the file does not end in the middle of the name
        return InputError(
            f"Checkpoint {path} contains {foreign}, which would have to be executed, and nothing "
            "in a checkpoint is: save its tensors alone (torch.save of a state dict)."
        )
    ends = "truncated", "unexpected EOF", "Ran out", "central directory", "requires a buffer"
    if is_torn or isinstance(error, EOFError) or any(end in reason for end in ends):
        return _cut_off(path)
    first_line = (reason.splitlines() or [type(error).__name__])[0]
    return InputError(
        f"Checkpoint {path} is damaged ({first_line:.80}): copy or download it again."
    )


def _foreign_name(reason: str) -> str:
    """What a pickle wanted to call, from the message of an unpickler; else empty."""
    if match := re.search(r"nsupported (?:global: )?(?:GLOBAL )?([\w.]+\.\w+)", reason):
        return match[1]
    return "objects other than tensors" if "Weights only load failed" in reason else ""
