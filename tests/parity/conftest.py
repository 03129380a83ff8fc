"""Recorded runs of the tiny models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from boxmask_vid.checkpoint import convert_checkpoint
from support.tiny_models import NAMES, trained, untrained


@pytest.fixture(scope="session")
def e2e(shared: Path) -> Path:
    """Folder of the recordings."""
    return shared / "parity/e2e"


@pytest.fixture(scope="session")
def checkpoints(e2e: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Converted weights of the tiny models."""
    folder = tmp_path_factory.mktemp("converted")
    paths = {name: folder / f"{name}.pth" for name in NAMES}
    for name, path in paths.items():
        convert_checkpoint(e2e / f"{name}_tiny.pth", path, untrained(name))
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture(scope="session", params=[True, False], ids=["accelerated", "papers"])
def trained_model(
    request: pytest.FixtureRequest, checkpoints: dict[str, str]
) -> Callable[..., torch.nn.Module]:
    """Loader of the tiny models, with acceleration and without."""

    def load(name: str, *opts: object) -> torch.nn.Module:
        return trained(name, checkpoints, "MODEL.VID.ACCELERATE", request.param, *opts)

    return load


@pytest.fixture(scope="session")
def images(e2e: Path) -> torch.Tensor:
    """(8, 3, h, w) normalised frames without padding."""
    video = np.load(e2e / "video.npz")
    height, width = video["img_shape"][:2]
    return torch.from_numpy(video["img"])[:, :, :height, :width]
