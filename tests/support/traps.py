"""Files that would do something if what is in them were executed."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Trap:
    """Makes a file when it is unpickled the ordinary way."""

    def __init__(self, sprung: Path) -> None:
        self._sprung = sprung

    def __reduce__(self) -> tuple:
        return exec, (f"open({str(self._sprung)!r}, 'w')",)


def write_traps(folder: Path, ending: str, sprung: Path) -> list[Path]:
    """Write a trap as PyTorch's file, as its older one, and as a pickle of each protocol."""
    content = {"model": {"a": Trap(sprung)}, "__author__": "me", "model_state": Trap(sprung)}
    paths = [folder / f"{name}{ending}" for name in ("new", "old", *map(str, PROTOCOLS))]
    torch.save(content, paths[0])
    torch.save(content, paths[1], _use_new_zipfile_serialization=False)
    for path, protocol in zip(paths[2:], PROTOCOLS, strict=True):
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    return paths


def config_with_a_trap(path: Path, base: str, sprung: Path) -> Path:
    """Write a config file that would make a file if it were loaded the unsafe way."""
    call = f"!!python/object/apply:builtins.exec [\"open({str(sprung)!r}, 'w')\"]"
    path.write_text(f"_BASE_: {base}\nMODEL:\n  WEIGHTS: {call}\n")
    return path
