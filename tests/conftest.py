"""Fixtures shared by all tests: a small synthetic data set, ../shared, boxes in float64."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from support.paths import SHARED

torch.set_num_threads(1)  # tests run in two processes on two cores
os.environ["OMP_NUM_THREADS"] = "1"  # also in the processes that tests start

import boxmask_vid  # noqa: E402, F401
from boxmask_vid.apps.dataset_tools.converters.imagenet_vid import convert_imagenet_vid  # noqa: E402
from boxmask_vid.apps.dataset_tools.synthetic import make_synthetic_vid  # noqa: E402
from boxmask_vid.data import register_vid_instances  # noqa: E402
from support.float64 import keep_float64  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        for item in items:
            if item.get_closest_marker("needs_shared"):
                item.add_marker(pytest.mark.skip(reason=f"folder {SHARED} not found"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with golden cases and real clips."""
    return SHARED


@pytest.fixture
def float64_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectron2 without its conversion of boxes to float32, for models in float64."""
    keep_float64(monkeypatch)


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``$DETECTRON2_DATASETS`` with 6 training and 2 validation videos of 6 frames, converted."""
    root = tmp_path_factory.mktemp("datasets")
    tree = root / "synthetic_vid"
    make_synthetic_vid(tree, videos=8, frames=6, seed=3)
    convert_imagenet_vid(tree, tree / "coco_vid")
    return root


@pytest.fixture(scope="session")
def synthetic_datasets(synthetic_root: Path) -> tuple[str, str]:
    """The same data set, registered: names of the training and the validation part."""
    tree = synthetic_root / "synthetic_vid"
    names = "small_vid_train", "small_vid_val"
    for name, split in zip(names, ("train", "val"), strict=True):
        json_file = tree / f"coco_vid/imagenet_vid_{split}.json"
        register_vid_instances(name, {}, str(json_file), str(tree / "Data/VID"))
    return names
