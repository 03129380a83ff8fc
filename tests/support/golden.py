"""Golden cases of the reference implementation; see tests/data/parity/README.md."""

from __future__ import annotations

import json

import numpy as np
import torch

from boxmask_vid.checkpoint import convert_mmtracking
from support.paths import GOLDEN

# Anchor a of Detectron2 (size * 3 + ratio) is anchor SIZE_FIRST[a] there (ratio * 4 + size).
SIZE_FIRST = torch.arange(12).view(3, 4).t().reshape(-1)


def load(name: str) -> dict[str, torch.Tensor]:
    """The arrays of ``modules/<name>.npz``."""
    with np.load(GOLDEN / f"modules/{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def load_json(name: str) -> dict | list:
    """The content of ``<name>.json``."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def part(case: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The arrays below a prefix, without it."""
    return {key.removeprefix(prefix): case[key] for key in case if key.startswith(prefix)}


def by_size_first(per_anchor: torch.Tensor) -> torch.Tensor:
    """(h * w * 12, ...) rows of anchors in (y, x, ratio, size) order -> (y, x, size, ratio)."""
    rows = per_anchor.unflatten(0, (-1, len(SIZE_FIRST)))
    return rows[:, SIZE_FIRST].flatten(0, 1)


def channels_by_size_first(maps: torch.Tensor) -> torch.Tensor:
    """(N, 12 k, h, w) maps with the channels of an anchor together, reordered likewise."""
    return maps.unflatten(1, (len(SIZE_FIRST), -1))[:, SIZE_FIRST].flatten(1, 2)


def converted(
    case: dict[str, torch.Tensor], theirs: str, ours: str, kind: str = "sd"
) -> dict[str, torch.Tensor]:
    """Parameters (or their gradients) of a case under our names, by the checkpoint converter.

    Args:
        case: from :func:`load`.
        theirs: prefix of the module in a whole model of the reference implementation.
        ours: prefix of the module in a whole model here; it is cut off.
        kind: "sd" or "grad".
    """
    named = {theirs + name: array for name, array in part(case, f"{kind}/").items()}
    return {name.removeprefix(ours): value for name, value in convert_mmtracking(named).items()}


def close(actual: torch.Tensor, expected: torch.Tensor, bound: float = 1e-5) -> None:
    """Assert that no value differs by more than ``bound`` times the largest value."""
    largest = expected.abs().max().item() if expected.numel() else 0.0
    torch.testing.assert_close(actual, expected, rtol=0, atol=bound * largest)


def equal(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Assert equality to the last bit."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
