"""Folders read by tests."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
PROJECT = REPOSITORY / "projects/BoxMaskVID"
CONFIGS = REPOSITORY / "configs"
GOLDEN = REPOSITORY / "tests/data/parity"
