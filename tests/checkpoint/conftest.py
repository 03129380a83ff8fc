"""A mirror of published files on this machine, and an empty cache."""

from pathlib import Path

import pytest

from boxmask_vid.checkpoint.zoo import CHECKPOINTS, Weights
from support.published_files import FileServer, published, serving


@pytest.fixture(scope="session")
def selsa_file() -> tuple[Weights, bytes]:
    """Table entry and file of a tiny model."""
    return published("selsa")


@pytest.fixture
def file_name(selsa_file) -> str:
    return selsa_file[0].file_name


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Folder of converted files, which does not exist yet."""
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/boxmask_vid"


@pytest.fixture
def server(selsa_file, cache, monkeypatch) -> FileServer:
    """A mirror that has the file of the tiny model."""
    weights, content = selsa_file
    monkeypatch.setitem(CHECKPOINTS, weights.name, weights)
    with serving({weights.file_name: content}) as running:
        monkeypatch.setenv("BOXMASK_VID_ZOO", running.address)
        yield running
